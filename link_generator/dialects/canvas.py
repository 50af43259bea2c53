"""A JupyterHub behind Canvas or another LTI platform: `/hub/lti/launch?next=...`. No I/O here."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from link_generator.dialects import jupyterhub
from link_generator.dialects.draft import Draft
from link_generator.dialects.gitpull import compose_pull, pull_of, read_pull
from link_generator.dialects.place import Composed, Place, address
from link_generator.errors import BadLink
from link_generator.mangled import form

LABEL = "Canvas"
HOST = ""
LAUNCH = re.compile(r".*?/hub/(?:lti(?:11|13)?/launch|login|oauth_login)/?")


def compose(draft: Draft, place: Place) -> Composed:
    """:raises BadLink: nbgitpuller cannot do it; `field` names the part."""
    pull, notes = pull_of(draft, LABEL)
    base = place.base(HOST)
    after = f"{base.path}{jupyterhub.hub_path(place)}?{compose_pull(pull)}"
    notes = (*notes, jupyterhub.NO_ENV) if draft.env else notes
    return Composed(address(base, "/hub/lti/launch", form([("next", after)])), notes)


def parse(parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
    if not LAUNCH.fullmatch(parts.path) or not parts.query:
        return None
    pairs = read_pull(parts.query)
    for at, (name, value) in enumerate(pairs):
        if name in ("next", "custom_next"):
            # Where nobody escaped the inner query, its parts follow as the outer one's.
            rest = form(pairs[at + 1 :])
            inner = urlsplit(value)
            query = "&".join(part for part in (inner.query, rest) if part)
            found = jupyterhub.parse(inner._replace(query=query))
            if found:
                return replace(found[0], dialect="canvas"), found[1]
    raise BadLink("repo", "The link names no repository to pull.", "It needs next=...git-pull?...")
