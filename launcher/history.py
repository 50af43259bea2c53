"""What is remembered of a session after it is gone: enough to bring it back."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from launcher.session import SessionSpec


@dataclass(frozen=True)
class Remembered:
    """One session, as far as it is remembered."""

    id: str
    owner: str
    course: str
    image: str
    link: str
    started: float
    """Unix seconds."""
    ended: float = 0.0
    """Unix seconds; 0 while it runs."""
    why: str = ""


@dataclass(frozen=True)
class History:
    """One small file per session, each written at once or not at all."""

    folder: Path

    def started(self, spec: SessionSpec) -> None:
        self._write(
            Remembered(spec.id, spec.owner, spec.course, spec.image, spec.link, time.time())
        )

    def ended(self, session_id: str, why: str) -> None:
        known = self.find(session_id)
        if known and not known.ended:
            self._write(replace(known, ended=time.time(), why=why))

    def find(self, session_id: str) -> Remembered | None:
        """The session of this id, or None; ids come from URLs, so anything else is None too."""
        if not re.fullmatch(r"[0-9a-f]{8,64}", session_id):
            return None
        try:
            return Remembered(**json.loads((self.folder / f"{session_id}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def all(self) -> list[Remembered]:
        """Every session that is remembered."""
        found = (self.find(path.stem) for path in self.folder.glob("*.json"))
        return [one for one in found if one]

    def _write(self, session: Remembered) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(session), file)
        os.replace(name, self.folder / f"{session.id}.json")
