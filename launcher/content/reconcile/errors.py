"""What can go wrong with a pull inside the session.

Trouble
├── CannotPull     said to the student, with the way out; nothing of theirs was lost
└── NeedObjects    objects of the upstream are missing here; the launcher sends all of them
"""

from __future__ import annotations

TOO_LITTLE_MEMORY = (
    "The session had too little memory for the course files.",
    "Stop it under My sessions, then open the link again: nothing else runs in it "
    "then. If that does not help, your teacher can have `session.memory` raised.",
)
"""Message and hint where the kernel killed git, or the program itself."""


class Trouble(Exception):
    """Base of all."""


class CannotPull(Trouble):
    """The pull cannot go on; `hint` is the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NeedObjects(Trouble):
    """Git objects that should have been sent, or were damaged here, are missing."""
