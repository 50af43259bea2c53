"""What an address says of a link, whose environment may still be missing. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from link_generator.content import Content
from link_generator.errors import BadLink
from link_generator.link import Link


@dataclass(frozen=True)
class Draft:
    """A link's fields as far as they are known; those are checked when it is made."""

    env: str = ""
    tag: str = ""
    repo: str = ""
    branch: str = ""
    only: str = ""
    path: str = ""
    app: str = "lab"
    more: tuple[Content, ...] = ()
    dir: str = ""
    urlpath: str = ""
    dialect: str = field(default="address", compare=False)
    """What it was read from; `address` is a plain repository or a file in it."""

    def __post_init__(self) -> None:
        self.with_env(self.env or "none")

    @classmethod
    def of(cls, link: Link) -> Draft:
        return cls(**{one.name: getattr(link, one.name) for one in fields(link)})

    def with_env(self, env: str) -> Link:
        given = {one.name: getattr(self, one.name) for one in fields(Link)}
        return Link(**{**given, "env": env})

    def link(self) -> Link:
        """:raises BadLink: there is no environment."""
        return self.with_env(self.env)


def refuse_extras(draft: Draft, where: str) -> None:
    """Refuse what only this launcher can do; `where` is how people call the other place."""
    way_out = "Make a link of this launcher, or leave it out."
    if draft.only:
        raise BadLink("only", f"{where} cannot give one folder alone.", way_out)
    if draft.more:
        raise BadLink("repo2", f"{where} opens one content repository.", way_out)
