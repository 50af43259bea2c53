"""Which settings file a command goes by where `--settings` names none."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "LAUNCHER_SETTINGS"
"""Names a file; empty, the defaults alone count."""
MACHINE = Path("/etc/launcher/settings.yml")
"""The settings of the launcher that is this machine's service."""


def find_settings(*, own_data: bool) -> tuple[Path | None, str]:
    """The file, if there is one, and a sentence for who did not name it; most often none.

    The machine's file is for the machine's data folder, and not for one of somebody's own.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return (Path(named), f"settings from {named}, as ${VARIABLE} says") if named else (None, "")
    if own_data:
        return None, ""
    try:
        MACHINE.open("rb").close()
    except PermissionError:
        return None, (
            f"{MACHINE} is not for this user: the defaults count, and a data folder of your own. "
            "For the launcher of this machine: sudo launcher ..."
        )
    except OSError:
        return None, ""
    return MACHINE, f"settings from {MACHINE}"
