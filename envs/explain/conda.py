"""conda packages that cannot be had, as py-rattler says it through `envs/conda_program.py`."""

from __future__ import annotations

import re

from envs.explain.trouble import FirstError, Trouble, short

START = r"^error: (\S+): "


def read(trouble: Trouble) -> FirstError | None:
    none = trouble.find(rf"{START}.*?No candidates were found for ([\w.-]+) ([^ ]*?)[*.]*\.(?= |$)")
    if none:
        version = none[3].removeprefix("==").rstrip(".*")
        what = f"called {none[2]}" if not version else f"{none[2]} {version}"
        return FirstError(
            f"The channels have no conda package {what}.",
            "Check its name and its versions in the channels that the file names.",
            *(trouble.place_of(none[2], version) if trouble.texts else (none[1], 0)),
            log_line=trouble.number(none),
        )
    other = trouble.find(rf"{START}(?:Cannot solve the request because of: )(.*)")
    if other is None:
        return None
    why = re.sub(r"[\s│├└─▶╰]+", " ", other[2]).strip()
    return FirstError(
        f"The conda packages cannot be installed together: {short(why)}",
        "Loosen the versions that the file asks for.",
        other[1],
        log_line=trouble.number(other),
    )
