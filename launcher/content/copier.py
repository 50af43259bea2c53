"""Processes that copy prepared clones for the app, whose threads share one interpreter.

A copy is some two hundred short calls to the system, and a class clicks at once: within the app,
each of these calls would give the interpreter to another thread and wait to have it back.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from io import BufferedRWPair

from launcher.content.copying import Owner, copy_tree

PROCESSES = 2
"""More copies at a time, which take long then, are made by the app itself."""


@dataclass(frozen=True)
class Process:
    """One that copies what it is asked to, a request after the other."""

    started: subprocess.Popen[bytes]
    talk: BufferedRWPair

    @classmethod
    def start(cls) -> Process:
        """:raises OSError: the machine gives no more."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            started = subprocess.Popen(
                [sys.executable, "-m", "launcher.content.copier"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,  # a Ctrl-C is for the app, which then ends it
            )
            return cls(started, ours.makefile("rwb"))

    def copy(self, source: str, target: str, owner: Owner | None) -> tuple[int, str] | None:
        """What went wrong, as number and words of an OSError, or None.

        :raises OSError, ValueError: it was killed.
        """
        self.talk.write(json.dumps([source, target, owner]).encode() + b"\n")
        self.talk.flush()
        return json.loads(self.talk.readline())

    def end(self) -> None:
        """It ends when nobody can ask it any more."""
        with contextlib.suppress(OSError):  # what was left to say to one that was killed
            self.talk.close()
        self.started.wait()


@dataclass
class Copier:
    """Copies in processes of its own once it is started; before that, and without them, here.

    They end with this process, however that ends.
    """

    _idle: list[Process] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the processes, which need a moment until they copy."""
        for _ in range(PROCESSES):
            self._start_one()

    def stop(self) -> None:
        """End those that copy nothing."""
        with self._guard:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def copy(self, source: str, target: str, owner: Owner | None) -> None:
        """As `copy_tree`.

        :raises OSError: it cannot be copied; a part of it may be there.
        """
        with self._guard:
            process = self._idle.pop() if self._idle else None
        if process is None:
            copy_tree(source, target, owner)
            return
        try:
            failure = process.copy(source, target, owner)
        except (OSError, ValueError):  # it was killed
            process.end()
            self._start_one()
            shutil.rmtree(target, ignore_errors=True)
            copy_tree(source, target, owner)
            return
        with self._guard:
            self._idle.append(process)
        if failure:
            raise OSError(*failure)

    def _start_one(self) -> None:
        """Who has one less, on a machine that gives no more, copies without it."""
        with contextlib.suppress(OSError):
            process = Process.start()
            with self._guard:
                self._idle.append(process)


def work() -> None:
    """Copy what the app asks for, until nobody can ask any more."""
    for line in sys.stdin.buffer:
        source, target, owner = json.loads(line)
        failure = None
        try:
            copy_tree(source, target, owner)
        except OSError as error:
            failure = error.errno, error.strerror
        sys.stdout.buffer.write(json.dumps(failure).encode() + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    work()
