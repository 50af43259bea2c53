"""Links that people will click, though nobody has done so lately."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from launcher.classes.classes import Classes
from launcher.environment import link_of
from launcher.links.short_links import ShortLinks
from link_generator.errors import BadLink
from link_generator.link import Link


@dataclass(frozen=True)
class Planned:
    """Short links, but for those whose time is over, and classes to come."""

    short_links: ShortLinks
    classes: Classes

    def links(self) -> Iterator[tuple[Link, str]]:
        """Each with what it is, in a sentence; one that no version understands any more is none."""
        now = time.time()
        for short in self.short_links.all():
            if short.state(now) != "late":
                try:
                    yield short.meaning, f"the short link {short.slug} names it"
                except BadLink:
                    continue
        for one in self.classes.coming(now):
            yield link_of(one.env), "a class that is planned uses it"
