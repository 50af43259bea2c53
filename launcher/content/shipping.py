"""The reconcile program, shipped into a session and run there: any image with python3 and git."""

from __future__ import annotations

import functools
import io
import json
import logging
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.content.receipt import text
from launcher.content.reconcile.errors import TOO_LITTLE_MEMORY
from launcher.errors import ContentFailed
from launcher.runtimes.base import Runtime
from launcher.runtimes.own_commands import own_python

log = logging.getLogger(__name__)

LONGEST_LOG = 2000
"""Characters of a session's words in the launcher's log."""
TIMEOUT = 600.0
"""Seconds for one pull inside the session."""
LOOK = 15.0
"""Seconds for a look that changes nothing; somebody waits for its page."""
LOOKS = ("snapshots", "preview")
LARGEST_RECEIPT, LARGEST_ANSWER = 1_000_000, 16_000_000
"""Bytes of what a pull and anything else may answer; the program there keeps to less."""
KILLED = 137
"""How a program ends that the kernel kills because there is no more memory."""
LOADER = """
import os, runpy, shutil, sys, tempfile
source = sys.stdin.buffer
def room(place):
    return shutil.disk_usage(place).free if os.access(place, os.W_OK | os.X_OK) else -1
# either may be memory of the session, which has less room than a disk; see `docker/bounds.py`
folder = tempfile.mkdtemp(dir=max(tempfile.gettempdir(), "/var/tmp", key=room))
try:
    paths = []
    for name in ("reconcile.zip", "objects.pack"):
        size = int.from_bytes(source.read(8), "big")
        paths.append(os.path.join(folder, name))
        with open(paths[-1], "wb") as file:
            while size > 0:
                chunk = source.read(min(size, 1 << 20))
                if not chunk:
                    raise SystemExit("the launcher stopped sending")
                file.write(chunk)
                size -= len(chunk)
    sys.path.insert(0, paths[0])
    sys.argv = ["reconcile", sys.argv[1], paths[1]]
    runpy.run_module("reconcile", run_name="__main__")
finally:
    shutil.rmtree(folder, ignore_errors=True)
"""


def ask_session(
    runtime: Runtime,
    session_id: str,
    request: Mapping[str, Any],
    packs: Sequence[Path],
    *,
    timeout: float = TIMEOUT,
) -> dict[str, Any]:
    """One action inside the session, in `timeout` seconds; its answer: `reconcile/__main__.py`.

    :raises ContentFailed: the program could not run, or did not end in time.
    """
    deadline = time.monotonic() + timeout
    for pack in packs[:-1]:
        answer = _ask_once(runtime, session_id, {**request, "action": "take"}, pack, deadline)
        if "error" in answer:
            return answer
    return _ask_once(runtime, session_id, request, packs[-1] if packs else None, deadline)


def _ask_once(
    runtime: Runtime,
    session_id: str,
    request: Mapping[str, Any],
    pack: Path | None,
    deadline: float,
) -> dict[str, Any]:
    command = own_python(["-I", "-c", LOADER, json.dumps(request)])
    with tempfile.TemporaryFile() as stdin:
        program = zipped_program()
        stdin.write(len(program).to_bytes(8, "big") + program)
        stdin.write((pack.stat().st_size if pack else 0).to_bytes(8, "big"))
        if pack:
            with open(pack, "rb") as file:
                shutil.copyfileobj(file, stdin)
        stdin.seek(0)
        try:
            left = max(1.0, deadline - time.monotonic())
            done = runtime.run(session_id, command, stdin=stdin, timeout=left)
        except TimeoutError as error:
            raise ContentFailed(
                "The session took too long with its course files.",
                hint="Try again when no cell runs; your files are as they were."
                if request.get("action") in LOOKS
                else "Stop it under My sessions, then open the link again.",
            ) from error
    looks = request.get("action", "pull") not in ("pull", "take")
    if len(done.out) > (LARGEST_ANSWER if looks else LARGEST_RECEIPT):
        raise ContentFailed(
            "The session's Python said more than the launcher's program ever does.",
            hint="Something else may run in its place; open the link again.",
        )
    return _read_answer(done.code, done.out, done.err)


def _read_answer(code: int, out: bytes, err: bytes) -> dict[str, Any]:
    """What the program said; in its place may be any program of the student's.

    :raises ContentFailed: it is no answer.
    """
    lines = out.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        if isinstance(answer, dict):
            if isinstance(answer.get("log"), str):
                log.error("reconcile failed: %s", answer["log"][-LONGEST_LOG:])
            return {
                name: text(one) if name in ("error", "hint") else one
                for name, one in answer.items()
            }
    except (IndexError, ValueError, RecursionError):
        pass
    said = (err.decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"])[-1]
    log.error("reconcile did not answer: %s", err.decode("utf-8", "replace")[-LONGEST_LOG:])
    if code == KILLED:
        message, hint = TOO_LITTLE_MEMORY
        raise ContentFailed(message, hint=hint)
    missing = code in (126, 127) or "executable file not found" in said
    raise ContentFailed(
        f"The course files could not be brought into the session: {said[:300]}",
        hint="The environment needs python3 and git." if missing else "Open the link again.",
    )


@functools.cache
def zipped_program() -> bytes:
    """The reconcile program as a zip."""
    folder = Path(__file__).with_name("reconcile")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*.py")):
            archive.write(path, f"reconcile/{path.name}")
    return made.getvalue()
