"""A postBuild that failed, with its line where bash or Python says one."""

from __future__ import annotations

import re

from envs.explain.machine import UNREACHABLE
from envs.explain.trouble import FirstError, Trouble, short
from envs.stages import POST_BUILD, STEP

NETWORK = "It asks the network for something; try again in a minute."
FIX = "Mend the script; it runs as the student's user, in the repository's folder."


def read(trouble: Trouble) -> FirstError | None:
    path = next((path for path in trouble.texts if path.endswith("postBuild")), "")
    if trouble.stage != POST_BUILD or not path:
        return None
    code = re.search(r"exit code:? (\d+)", trouble.said)
    failed = f"It failed with exit code {code[1]}" if code else "It failed"
    hint = NETWORK if any(trouble.find(one) for one in UNREACHABLE) else FIX
    bash = trouble.find(r"postBuild: line (\d+): (.*)")
    if bash:
        number, log_line = int(bash[1]), trouble.number(bash)
        return FirstError(f"{failed}: {short(bash[2])}", hint, path, number, log_line)
    if trouble.find(r"postBuild: (?:not found|cannot execute|No such file)|bad interpreter"):
        said = f"{failed}: its first line names a program that is not there."
        return FirstError(said, "Begin it with #!/bin/bash.", path, 1)
    lines = [one for one in trouble.lines if one.text.strip() and not STEP.fullmatch(one.text)]
    python = re.findall(r'File "[^"]*postBuild", line (\d+)', trouble.printed)
    last = f". It said last: {short(lines[-1].text)}" if lines else ", and said nothing."
    return FirstError(
        f"{failed}{last}",
        hint,
        path,
        int(python[-1]) if python else 0,
        lines[-1].number if lines else 0,
    )
