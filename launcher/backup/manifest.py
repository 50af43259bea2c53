"""The list at a backup's end: every entry with its checksum, and what could not be taken."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

FORMAT = 1
MANIFEST = "MANIFEST.json"
DATABASE = "launcher.sqlite"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the backup."""

    kind: str
    """`file`, `folder`, `link`, or `hard link`: another name of a file in the same home."""
    size: int = 0
    """Bytes of data; a file's holes have none."""
    sum: str = ""
    """SHA-256 of a file: of its data, and of where that is in one with holes."""
    target: str = ""
    """Of a link."""


@dataclass
class Manifest:
    """What a backup holds."""

    made: float
    """Unix seconds."""
    entries: dict[str, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What could not be taken, or changed while it was read."""

    @property
    def size(self) -> int:
        return sum(one.size for one in self.entries.values())

    def as_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def of_json(cls, text: bytes) -> Manifest:
        """:raises ValueError: it is none of this format."""
        try:
            found = json.loads(text)
            if found.pop("format") != FORMAT:
                raise ValueError("it is of another launcher's format")
            entries = {path: Entry(**one) for path, one in found.pop("entries").items()}
            return cls(**found, entries=entries)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its list cannot be read ({error})") from error


def home_of(path: str) -> str:
    """The student's folder for a course that the path is in, or such a folder in the bin."""
    return "/".join(path.split("/")[: 2 if path.startswith("bin/") else 3])


def shown(path: str) -> str:
    """A student's name for a file, as any terminal can show it."""
    return path.encode("utf-8", "backslashreplace").decode()
