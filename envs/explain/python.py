"""Python packages that cannot be had, as uv and pip say it."""

from __future__ import annotations

import re

from envs.explain.compile import cannot_compile
from envs.explain.trouble import FirstError, Place, Trouble, short
from envs.stages import POST_BUILD

SPEC = r"(?:===|==|>=|<=|~=|!=|>|<)[^\s,]+(?:, ?[<>!=~]+[^\s,]+)*"
NAME = r"[\w.-]+?(?:\[[^\]]*\])?"


def read(trouble: Trouble) -> FirstError | None:
    return (
        no_solution(trouble)
        or cannot_parse(trouble)
        or cannot_compile(trouble)
        or cannot_clone(trouble)
        or pip_finds_none(trouble)
    )


def no_solution(trouble: Trouble) -> FirstError | None:
    found = trouble.find(r"No solution found when resolving")
    if found is None:
        return None
    why, _, _hints = trouble.after(found).partition(" hint: ")
    why = re.sub(r"^dependencies.*?Because ", "Because ", why)
    known = missing(trouble, why) or unfit(trouble, why) or contradiction(trouble, why)
    sentence, hint, place = known or (
        f"The packages cannot be installed together: {short(why)}",
        "Loosen the versions that the environment's files ask for.",
        ("", 0),
    )
    return FirstError(sentence, hint, *place, log_line=trouble.number(found))


Told = tuple[str, str, Place]


def missing(trouble: Trouble, why: str) -> Told | None:
    """No such package, or no such version of it."""
    none = re.search(
        rf"(?:Because|and) ({NAME}) was not found in the (?:package registry|provided)", why
    )
    none = none or re.search(rf"(?:Because|and) there are no versions of ({NAME})[ ,]", why)
    if none:
        by = re.search(rf"({NAME}(?:{SPEC})?) depends on {re.escape(none[1])}", why)
        for_whom = f", which {by[1]} needs" if by and not any(trouble.place_of(none[1])) else ""
        return (
            f"There is no Python package called {none[1]}{for_whom}.",
            "Check how the package index spells it.",
            trouble.place_of(none[1]),
        )
    version = re.search(rf"there is no version of ({NAME})({SPEC})", why)
    only = re.search(
        rf"only ({NAME})(<?=?{SPEC}) (?:is|are) available and you require \1({SPEC})", why
    )
    if version:
        wanted = version[2].removeprefix("==")
        said = f"There is no version {wanted} of {version[1]}."
        hint = "Ask for one that exists, or leave the version open."
        return said, hint, trouble.place_of(version[1], version[2].lstrip("=<>~!"))
    if only:
        said = f"There is no version {only[3]} of {only[1]}, only {only[2]}."
        hint = "Ask for one that exists, or leave the version open."
        return said, hint, trouble.place_of(only[1], only[3].lstrip("=<>~!"))
    return None


def unfit(trouble: Trouble, why: str) -> Told | None:
    """A package for other Pythons or other machines."""
    python = re.search(
        rf"current Python version \(([\d.]+)\) does not satisfy Python({SPEC})"
        rf" and ({NAME})({SPEC})? depends on Python",
        why,
    )
    if python:
        return (
            f"{python[3]}{python[4] or ''} needs Python{python[2]}; here it is {python[1]}.",
            "Ask for another version of the package, or name another Python in runtime.txt.",
            trouble.place_of(python[3], (python[4] or "").lstrip("=<>~!")),
        )
    wheel = re.search(rf"({NAME})({SPEC})? has no wheels with a matching ([Pp]ython|platform)", why)
    if wheel is None:
        return None
    package = f"{wheel[1]}{wheel[2] or ''}"
    place = trouble.place_of(wheel[1], (wheel[2] or "").lstrip("=<>~!"))
    if wheel[3] == "platform":
        return f"{package} does not exist for Linux.", "Leave it out.", place
    found = trouble.find(r"following Python (?:ABI|implementation)? ?(?:version )?tags?: (.*)")
    offers = f" It exists for {found[1].replace('`', '')}." if found else ""
    return (
        f"{package} does not exist for this environment's Python.{offers}",
        "Ask for a newer version of the package, or name another Python in runtime.txt.",
        place,
    )


def contradiction(trouble: Trouble, why: str) -> Told | None:
    """Two requirements that exclude each other."""
    needs = re.search(rf"({NAME}(?:{SPEC})?) depends on ({NAME})({SPEC})", why)
    if needs is None:
        return None
    required = re.findall(rf"you require ({NAME})({SPEC})", why)
    against = [one for one in required if one[0] == needs[2] and one[1] != needs[3]]
    if not against:
        return None
    name, spec = against[-1]
    return (
        f"The requirements contradict each other: {needs[1]} depends on {needs[2]}{needs[3]}, "
        f"and you require {name}{spec}.",
        f"Change the version of {name} or of {needs[1].partition('=')[0].rstrip('<>~!')}.",
        trouble.place_of(name, spec.lstrip("=<>~!")),
    )


def cannot_parse(trouble: Trouble) -> FirstError | None:
    """uv's reader of requirements; it repeats the line and points into it."""
    found = trouble.find(
        r"Couldn't parse requirement in `([^`]+)` at position \d+\n\s*cause: (.*)\n\s*(.*)"
    )
    if found:
        return FirstError(
            f"{found[3]!r} is not a requirement: {found[2]}.",
            "Write one package per line, for example numpy>=1.26.",
            *trouble.place_of_text(found[3]),
            log_line=trouble.number(found),
        )
    included = trouble.find(
        r"failed to read from file `(?:/srv/repo/)?([^`]+)`: No such file|File not found: `([^`]+)`"
    )
    if included is None:
        return None
    path = (included[1] or included[2]).rpartition("/repo/")[2]
    return FirstError(
        f"{path} is named here, and the repository has no such file.",
        "Add the file or remove the line.",
        *trouble.place_of_text(path.rpartition("/")[2]),
        log_line=trouble.number(included),
    )


def cannot_clone(trouble: Trouble) -> FirstError | None:
    """A requirement from a git repository that is missing or private."""
    found = trouble.find(
        r"repository '([^']+)' not found|could not read Username for '([^']+)'"
        r"|Authentication failed for '([^']+)'"
    )
    if found is None or trouble.stage == POST_BUILD:
        return None
    url = next(one for one in found.groups() if one).rstrip("/")
    return FirstError(
        f"There is no git repository at {url}, or it is private.",
        "Packages come from public repositories only.",
        *trouble.place_of_text(url),
        log_line=trouble.number(found),
    )


def pip_finds_none(trouble: Trouble) -> FirstError | None:
    """pip's words; a script or a Dockerfile calls it."""
    found = trouble.find(
        r"Could not find a version that satisfies the requirement (\S+?)((?:[=<>~!]=?)\S+)? "
        r"\(from versions: (.*)\)"
    )
    if found is None:
        return None
    said = f"There is no Python package called {found[1]}."
    if found[3] != "none":
        said = f"There is no version {found[2] or ''} of {found[1]} for this Python."
    return FirstError(
        said,
        "Check how the package index spells it, and which versions it has.",
        *trouble.place_of(found[1]),
        log_line=trouble.number(found),
    )
