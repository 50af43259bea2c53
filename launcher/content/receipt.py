"""What a pull did, for programs as JSON and for a student as a sentence. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LISTED = 100
"""More names than this of one kind are only counted in JSON: pages poll it."""


@dataclass(frozen=True)
class Receipt:
    """What one pull did to the student's folder; names are paths below it."""

    before: str
    """The upstream commit of the last pull; empty for the first."""
    after: str
    new: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Withdrawn upstream, and untouched by the student."""
    merged: tuple[str, ...] = ()
    """Changed on both sides; both changes are in the file."""
    kept: tuple[tuple[str, str], ...] = ()
    """The student's file that stayed, and the teacher's version beside it (or empty)."""
    moved: tuple[tuple[str, str], ...] = ()
    """The student's own file that was in the way, and its new name."""
    restored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences."""
    folder: str = ""
    """The folder in the student's home."""
    snapshot: str = ""
    """The snapshot of what the pull changed; empty where it changed nothing."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Receipt:
        """The receipt that the reconcile program printed."""

        def texts(name: str) -> tuple[str, ...]:
            return tuple(str(one) for one in found.get(name, ()))

        def pairs(name: str) -> tuple[tuple[str, str], ...]:
            return tuple((str(one), str(other)) for one, other in found.get(name, ()))

        return cls(
            before=str(found.get("before", "")),
            after=str(found.get("after", "")),
            new=texts("new"),
            updated=texts("updated"),
            removed=texts("removed"),
            merged=texts("merged"),
            kept=pairs("kept"),
            moved=pairs("moved"),
            restored=texts("restored"),
            notes=texts("notes"),
            snapshot=str(found.get("snapshot", "")),
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, with long lists cut; `counts` holds the true numbers."""
        lists: dict[str, Sequence[Any]] = {
            "new": self.new,
            "updated": self.updated,
            "removed": self.removed,
            "merged": self.merged,
            "kept": [list(pair) for pair in self.kept],
            "moved": [list(pair) for pair in self.moved],
            "restored": self.restored,
        }
        return {
            "before": self.before,
            "after": self.after,
            **{name: list(found[:LISTED]) for name, found in lists.items()},
            "notes": list(self.notes),
            "folder": self.folder,
            "snapshot": self.snapshot,
            "counts": {name: len(found) for name, found in lists.items()},
            "sentence": self.sentence(),
            "touches_work": self.touches_work,
        }

    @property
    def changed(self) -> bool:
        """True when a file is not as it was before."""
        return bool(self.new or self.updated or self.removed or self.restored or self.touches_work)

    @property
    def touches_work(self) -> bool:
        """True when the student should read the sentence: their own files are concerned."""
        return bool(self.kept or self.moved or self.merged)

    def sentence(self) -> str:
        """What happened, in words for a student."""
        if not self.before and not (self.moved or self.kept or self.merged):
            said = [f"{count(self.new, 'course file')} copied"]
        else:
            said = [
                *([f"{count(self.new, 'new file')}"] if self.new else []),
                *([f"{count(self.updated, 'file')} updated"] if self.updated else []),
                *([f"{count(self.removed, 'file')} withdrawn"] if self.removed else []),
                *([f"{count(self.restored, 'file')} brought back"] if self.restored else []),
                *([f"your changes merged into {names(self.merged)}"] if self.merged else []),
            ] or ["No new course files" if not self.touches_work else ""]
        sentences = [", ".join(part for part in said if part)]
        for mine, theirs in self.kept[:3]:
            beside = f"; the teacher's version is {theirs}" if theirs else ""
            sentences.append(f"Your {mine} was kept{beside}")
        if len(self.kept) > 3:
            sentences.append(f"{len(self.kept) - 3} more of your files were kept")
        for old, new in self.moved[:3]:
            sentences.append(f"Your own {old} is now {new}")
        if len(self.moved) > 3:
            sentences.append(f"{len(self.moved) - 3} more of your own files were renamed")
        sentences += [note.rstrip(".") for note in self.notes]
        text = ". ".join(part for part in sentences if part)
        return f"{text[:1].upper()}{text[1:]}."


def count(found: Sequence[str], what: str) -> str:
    return f"{len(found)} {what}{'' if len(found) == 1 else 's'}"


def names(found: Sequence[str]) -> str:
    if len(found) <= 3:
        return ", ".join(found)
    return f"{', '.join(found[:2])} and {len(found) - 2} more"
