"""One look for everybody who asks at the same time: a class that clicks asks the engine once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class SharedLook(Generic[T]):
    """Shares what `look` finds. Whoever asks gets a look that began after they asked."""

    look: Callable[[], T]
    _next: Future[T] | None = None
    """The look that has not begun yet; whoever asks now shares it."""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one who looks."""

    def __call__(self) -> T:
        """What was found; an error of the look is everybody's who shares it."""
        with self._guard:
            leads = self._next is None
            mine = self._next = self._next or Future()
        if not leads:
            return mine.result()
        with self._turn:
            with self._guard:
                self._next = None  # what happens from now on this look may miss
            try:
                found = self.look()
            except BaseException as error:
                mine.set_exception(error)
                raise
            mine.set_result(found)
            return found
