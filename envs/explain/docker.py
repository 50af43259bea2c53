"""A Dockerfile that the engine cannot read, or a step of it that failed."""

from __future__ import annotations

import re

from envs.explain.machine import UNREACHABLE, WAIT
from envs.explain.trouble import NOWHERE, FirstError, Trouble, short
from envs.stages import STEP


def read(trouble: Trouble) -> FirstError | None:
    path = next((path for path in trouble.texts if path.endswith("Dockerfile")), "")
    if not path:
        return None
    wrong = re.search(r"[Dd]ockerfile parse error (?:on )?line (\d+): (.*)", trouble.said)
    if wrong:
        return FirstError(f"{short(wrong[2])}.", "Mend the line.", path, int(wrong[1]))
    base = re.search(
        r"failed to do request: \w+ \"https?://([^\"]+)/manifests/[^\"]*\": (.*)"
        r"|([\w./:-]+): (?:not found|pull access denied|manifest unknown.*)",
        trouble.said,
    )
    step = re.search(
        r"\[\s*(?:[\w.-]+\s+)?\d+/\d+\] (.*?): (?:executor failed|process \"|\")", trouble.said
    )
    if step is None and base:
        image = (base[1] or base[3]).replace("/v2/", "/")
        known = any(re.search(one, trouble.said) for one in UNREACHABLE)
        hint = WAIT if known else "Check the name after FROM, or begin with launcher/base:3.11."
        place = trouble.place_of_text(image)
        return FirstError(
            f"The image {image} cannot be fetched.", hint, *(place if any(place) else (path, 0))
        )
    if step is None:
        return None
    number = instruction(trouble.texts[path], step[1])
    where = (path, number) if number else NOWHERE
    gone = re.search(r"\"/?([^\"]+)\" not found", trouble.said)
    if gone:
        sentence = f"The repository has no {gone[1]} to copy."
        return FirstError(sentence, "Add the file, or see .dockerignore.", *where)
    code = re.search(r"exit code:? (\d+)", trouble.said)
    lines = [one for one in trouble.lines if one.text.strip() and not STEP.fullmatch(one.text)]
    last = f": {short(lines[-1].text)}" if lines else "."
    return FirstError(
        f"`{short(step[1], 80)}` failed" + (f" with exit code {code[1]}" if code else "") + last,
        "Mend the step of the Dockerfile.",
        *where,
        log_line=lines[-1].number if lines else 0,
    )


def instruction(text: str, step: str) -> int:
    """The line that a step begins on; BuildKit joins continued lines. 0 where none is the same."""
    wanted = " ".join(step.split())
    lines = text.splitlines()
    for start, _line in enumerate(lines):
        joined = ""
        for line in lines[start:]:
            if joined and line.strip().startswith("#"):
                continue
            joined += line.rstrip().removesuffix("\\") + " "
            if not line.rstrip().endswith("\\"):
                break
        if " ".join(joined.split()).lower() == wanted.lower():
            return start + 1
    return 0
