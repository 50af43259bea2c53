"""Looks at repositories through the link page: so many of an address in an hour, few at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from launcher.errors import TooBusy
from launcher.web.rate import RateLimit
from launcher.web.request import asker
from link_generator.choices import Choices

AT_ONCE = 16
"""Looks at a time: each holds a thread of the server while a git host is asked."""

Words = ParamSpec("Words")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Looks:
    """Counts whatever may ask a git host for somebody who is making a link."""

    limit: RateLimit
    trusted_proxies: Sequence[str] = ()
    places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE)
    )

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A look of who asks.

        :raises launcher.web.rate.TooOften: their address has had as many as it may.
        :raises TooBusy: others take every place.
        """
        self.limit.check(asker(self.trusted_proxies), "Your network address has looked often.")
        if not self.places.acquire(blocking=False):
            raise TooBusy("Many others look at repositories just now.")
        try:
            yield
        finally:
            self.places.release()

    def counted(self, look: Callable[Words, Answer]) -> Callable[Words, Answer]:
        """The same; each call of it is a look."""

        @wraps(look)
        def limited(*args: Words.args, **words: Words.kwargs) -> Answer:
            with self.one():
                return look(*args, **words)

        return limited


class CountedChoices:
    """What the page offers to choose from; each of it is a look."""

    def __init__(self, choices: Choices, looks: Looks) -> None:
        self.environments = looks.counted(choices.environments)
        self.versions = looks.counted(choices.versions)
        self.branches = looks.counted(choices.branches)
        self.files = looks.counted(choices.files)
        self.apps = looks.counted(choices.apps)
        self.names = looks.counted(choices.names)
        self.commit = looks.counted(choices.commit)
