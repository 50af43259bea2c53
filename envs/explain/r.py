"""R packages that cannot be had, and scripts that fail, as R says it."""

from __future__ import annotations

import re

from envs.explain.compile import header_hint
from envs.explain.machine import WAIT
from envs.explain.trouble import NOWHERE, FirstError, Place, Trouble, short
from envs.stages import R_PACKAGES

QUOTED = r"[‘']([^’']+)[’']"


def read(trouble: Trouble) -> FirstError | None:
    if trouble.stage != R_PACKAGES:
        return None
    return no_list(trouble) or no_package(trouble) or no_install(trouble) or no_script(trouble)


def no_list(trouble: Trouble) -> FirstError | None:
    found = trouble.find(r"unable to access index for repository (\S+?):?$")
    return found and FirstError(
        f"The list of R packages at {found[1]} cannot be read.", WAIT,
        *trouble.place_of_text(found[1].removesuffix("/src/contrib")),
        log_line=trouble.number(found),
    )  # fmt: skip


def no_package(trouble: Trouble) -> FirstError | None:
    found = trouble.find(rf"dependency {QUOTED} is not available for package {QUOTED}")
    found = found or trouble.find(rf"packages? {QUOTED}.* (?:is|are) not available")
    found = found or trouble.find(rf"there is no package called {QUOTED}")
    return found and FirstError(
        f"There is no R package called {found[1]} for this version of R.",
        "Check its name; capital letters count.",
        *place_of(trouble, found[1]),
        log_line=trouble.number(found),
    )


def no_install(trouble: Trouble) -> FirstError | None:
    found = trouble.find(rf"(?:installation of package|failed for package) {QUOTED}")
    if found is None:
        return None
    name = found[1].rpartition("/")[2].partition("_")[0]
    library = trouble.find(r"^\s*\* deb: (\S+)")
    if library:  # as the packages' own configure scripts say it
        return FirstError(
            f"The R package {name} must be compiled, and a library is missing.",
            f"Add to apt.txt: {library[1]}.",
            *place_of(trouble, name),
            log_line=trouble.number(library),
        )
    header = trouble.find(r"fatal error: (\S+\.h(?:pp)?): No such file")
    if header:
        return FirstError(
            f"The R package {name} must be compiled, and the header {header[1]} is missing.",
            header_hint(header[1]),
            *place_of(trouble, name),
            log_line=trouble.number(header),
        )
    return FirstError(
        f"The R package {name} cannot be installed.",
        "The log says what it lacks: mostly a Debian package, to be added to apt.txt.",
        *place_of(trouble, name),
        log_line=trouble.number(found),
    )


def no_script(trouble: Trouble) -> FirstError | None:
    wrong = trouble.find(r"^\s*\S*?([\w.-]+\.R):(\d+):\d+: (.*)")
    if wrong:
        path = next((one for one in trouble.texts if one.endswith(wrong[1])), wrong[1])
        return FirstError(
            f"R cannot read it: {wrong[3]}.", "Mend the line, or the one before it.", path,
            int(wrong[2]), trouble.number(wrong),
        )  # fmt: skip
    found = trouble.find(r"^Error(?: in [^:\n]*)? ?: *\n?\s*(.+)")
    path = next((one for one in trouble.texts if one.endswith("install.R")), "")
    return found and FirstError(
        f"R stopped: {short(found[1])}.",
        "Mend the script.",
        path,
        trouble.place_of_text(found[1])[1],
        trouble.number(found),
    )


def place_of(trouble: Trouble, package: str) -> Place:
    """Its line in the files of R; names are quoted in scripts, and listed in DESCRIPTION."""
    own = {p: t for p, t in trouble.texts.items() if p.endswith((".R", "DESCRIPTION"))}
    for path, text in own.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if re.search(rf"(?<![\w.]){re.escape(package)}(?![\w.])", line.split("#")[0]):
                return path, number
    return NOWHERE
