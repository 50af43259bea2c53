"""Reading on in a log while somebody else, in any process, writes it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from envs.builder import Say

PIECE = 100_000
"""Characters at a time: a whole class may begin to read a long log."""


@dataclass
class LogTail:
    """Reads on in a log that somebody else is writing; a new file of its name begins anew."""

    path: Path
    _file: IO[str] | None = None
    """Kept open, so that a new file cannot get the inode of the one that was read."""
    _rest: str = ""

    def follow(self, say: Say) -> None:
        """Say every complete line that is new."""
        if not self._is_current():
            self.close()
            with contextlib.suppress(FileNotFoundError):
                self._file = self.path.open("r", encoding="utf-8", errors="replace")
        if self._file is None:
            return
        while text := self._file.read(PIECE):
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                say(line)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, ""

    def _is_current(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(
                os.fstat(self._file.fileno()), self.path.stat()
            )
        except FileNotFoundError:
            return False
