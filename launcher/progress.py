"""What a launch says while it runs: a phase and a sentence. Who watches decides how it looks."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from envs.image import Image


class Phase(enum.Enum):
    """The steps of a launch, in order; the last two end it."""

    LINK = "link"
    ENVIRONMENT = "environment"
    QUEUE = "queue"
    SESSION = "session"
    CONTENT = "content"
    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """One event of a launch."""

    phase: Phase
    message: str
    log: bool = False
    """True for a line of a build log, which pages keep in a details element."""
    image: Image | None = None
    """The environment's image, on the event that says it is ready."""


Tell = Callable[[Progress], None]
"""Takes the events of a launch as they happen."""
