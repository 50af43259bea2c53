"""What a pull did, for programs as JSON and for a student as a sentence. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launcher.content.reconcile.answer import MOST

LISTED = 100
"""More names than this of one kind are only counted in JSON: pages poll it."""
COUNTED = (
    ("new", "new file", ""),
    ("updated", "file", " updated"),
    ("removed", "file", " withdrawn"),
    ("restored", "file", " brought back"),
)
"""Lists of which the sentence says only how many, and how."""
LONGEST = 500
"""Characters of a name or a sentence that came out of a session."""
UNCOUNTABLE = 10**9
"""More names than any repository has."""
NOTES = 20
"""Sentences that came out of a session."""


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
    more: Mapping[str, int] = field(default_factory=dict)
    """How many names there are beyond those listed, by the list."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Receipt:
        """The receipt that the reconcile program printed, or whoever took its place.

        The program runs as the student: nothing of what it says may be large.
        """
        counts = found.get("counts")
        more = {}

        def listed(name: str, most: int = MOST) -> list[Any]:
            value = found.get(name)
            every = value if isinstance(value, list | tuple) else []
            told = counts.get(name) if isinstance(counts, dict) else None
            beyond = max(len(every), told if isinstance(told, int) else 0) - len(every[:most])
            if 0 < beyond < UNCOUNTABLE:
                more[name] = beyond
            return list(every[:most])

        def texts(name: str, most: int = MOST) -> tuple[str, ...]:
            return tuple(text(one) for one in listed(name, most))

        def pairs(name: str) -> tuple[tuple[str, str], ...]:
            every = [one for one in listed(name) if isinstance(one, list | tuple)]
            return tuple((text(one[0]), text(one[1])) for one in every if len(one) == 2)

        notes = texts("notes", NOTES)
        if beyond := more.pop("notes", 0):
            notes = (*notes, f"And {beyond} more notes")
        return cls(
            before=text(found.get("before", "")),
            after=text(found.get("after", "")),
            new=texts("new"),
            updated=texts("updated"),
            removed=texts("removed"),
            merged=texts("merged"),
            kept=pairs("kept"),
            moved=pairs("moved"),
            restored=texts("restored"),
            notes=notes,
            snapshot=text(found.get("snapshot", "")),
            more=more,
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
            "counts": {name: self.number(name) for name in lists},
            "sentence": self.sentence(),
            "touches_work": self.touches_work,
        }

    def number(self, name: str) -> int:
        """How many names are in the list, with those that are only counted."""
        return len(getattr(self, name)) + self.more.get(name, 0)

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
            said = [f"{count(self.number('new'), 'course file')} copied"]
        else:
            counted = [(self.number(name), what, done) for name, what, done in COUNTED]
            said = [f"{count(number, what)}{done}" for number, what, done in counted if number]
            if self.merged:
                into = names(self.merged, self.number("merged"))
                said.append(f"your changes merged into {into}")
            said = said or ["No new course files" if not self.touches_work else ""]
        sentences = [", ".join(part for part in said if part)]
        for mine, theirs in self.kept[:3]:
            beside = f"; the teacher's version is {theirs}" if theirs else ""
            sentences.append(f"Your {mine} was kept{beside}")
        if self.number("kept") > 3:
            sentences.append(f"{self.number('kept') - 3} more of your files were kept")
        for old, new in self.moved[:3]:
            sentences.append(f"Your own {old} is now {new}")
        if self.number("moved") > 3:
            sentences.append(f"{self.number('moved') - 3} more of your own files were renamed")
        sentences += [note.rstrip(".") for note in self.notes]
        joined = ". ".join(part for part in sentences if part)
        return f"{joined[:1].upper()}{joined[1:]}."


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def names(found: Sequence[str], number: int) -> str:
    """The first of `number` names, and how many more there are."""
    if number <= 3:
        return ", ".join(found)
    return f"{', '.join(found[:2])} and {number - 2} more"


def text(found: Any) -> str:
    """What a session says where a text belongs: not long, and what every page can show."""
    if not isinstance(found, str):
        return ""
    said = found[: LONGEST + 1].encode("utf-8", "replace").decode("utf-8")
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
