"""One thing that was looked at. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, for people and programs."""

    name: str
    ok: bool
    sentence: str
    way_out: str = ""
    """What to do about it; only said where it is not ok."""
    serious: bool = True
    """False for what is worth knowing while the launcher works."""

    @property
    def level(self) -> str:
        """`ok`, `warn` or `FAIL`."""
        if self.ok:
            return "ok"
        return "FAIL" if self.serious else "warn"

    def lines(self) -> list[str]:
        """How a terminal shows it."""
        said = [f"{self.level:4} {self.name}: {self.sentence}"]
        if not self.ok and self.way_out:
            said.append(f"     {self.way_out}")
        return said
