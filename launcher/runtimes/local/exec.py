"""A command in a session's sandbox, with its input streamed and its outputs kept apart."""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from launcher.errors import SessionFailed
from launcher.runtimes.base import LARGEST, Completed
from launcher.runtimes.local.processes import start_time, stop_tree

CHUNK = 64 * 1024


def run_to_its_end(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None,
    stdin: BinaryIO | None,
    timeout: float,
) -> Completed:
    """Run the command in `folder` and wait for its end.

    :raises TimeoutError: it took longer; it was ended.
    :raises SessionFailed: it printed more than any of our commands does; it was ended.
    """
    deadline = time.monotonic() + timeout
    with subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    ) as process:
        try:
            out, err = Talk(process, stdin).until(deadline)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:  # it closed its outputs and went on
            end(process)
            raise TimeoutError("The command took too long") from error
        except BaseException:
            end(process)
            raise
    return Completed(code, out, err)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the command and all that it started."""
    stop_tree(process.pid, start_time(process.pid) or 0, patience=0)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


class Talk:
    """Sends a command its input and takes its outputs, whichever can go on."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: BinaryIO | None) -> None:
        self.ready = selectors.DefaultSelector()
        self.said = (bytearray(), bytearray())
        for pipe, said in zip((process.stdout, process.stderr), self.said, strict=True):
            if pipe:
                take = functools.partial(self._take, pipe, said)
                self.ready.register(pipe, selectors.EVENT_READ, take)
        if process.stdin and stdin:
            os.set_blocking(process.stdin.fileno(), False)
            send = functools.partial(self._send, process.stdin, stdin)
            self.ready.register(process.stdin, selectors.EVENT_WRITE, send)
        self.unsent = b""

    def until(self, deadline: float) -> tuple[bytes, bytes]:
        """Both outputs, once all who had them have closed them.

        :raises TimeoutError: the deadline passed, however steadily something came.
        """
        with self.ready:
            while self.ready.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("The command took too long")
                for key, _ in self.ready.select(left):
                    if not key.data():
                        self.ready.unregister(key.fd)
        out, err = self.said
        return bytes(out), bytes(err)

    def _take(self, pipe: IO[bytes], said: bytearray) -> bool:
        """True while there may be more."""
        chunk = os.read(pipe.fileno(), CHUNK)
        said += chunk
        if sum(map(len, self.said)) > LARGEST:
            raise SessionFailed("A command in the session printed without end.")
        return bool(chunk)

    def _send(self, pipe: IO[bytes], stdin: BinaryIO) -> bool:
        """True while there may be more; a command that ended early does not read it all."""
        self.unsent = self.unsent or stdin.read(CHUNK)
        try:
            if self.unsent:
                self.unsent = self.unsent[os.write(pipe.fileno(), self.unsent) :]
                return True
        except BlockingIOError:
            return True
        except BrokenPipeError:
            pass
        pipe.close()
        return False
