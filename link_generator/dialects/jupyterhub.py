"""A JupyterHub with nbgitpuller: `/hub/user-redirect/git-pull?repo=...`. No I/O here.

A hub has its own environment, so the link names none. This launcher takes such links too, below
`/with/<environment>`: programs that know only a hub's address can then name the environment.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import SplitResult, quote, unquote

from link_generator.dialects.draft import Draft
from link_generator.dialects.gitpull import compose_pull, parse_pull, pull_of, read_pull
from link_generator.dialects.place import Composed, Place, address
from link_generator.env_part import split_env

LABEL = "JupyterHub"
HOST = ""
PULL = re.compile(
    r"(?P<base>.*?)(?:/hub/user-redirect(?:/(?P<server>[^/]+))?|/user/[^/]+(?:/[^/]+)?|)"
    r"/git-(?:pull|sync)/?"
)
WITH = re.compile(r".*?/with/(.+)")
NO_ENV = "The hub chooses the environment: the link does not name it."


def compose(draft: Draft, place: Place) -> Composed:
    """:raises BadLink: nbgitpuller cannot do it; `field` names the part."""
    pull, notes = pull_of(draft, LABEL)
    path = hub_path(place)
    notes = (*notes, NO_ENV) if draft.env else notes
    return Composed(address(place.base(HOST), path, compose_pull(pull)), notes)


def hub_path(place: Place) -> str:
    return "/".join(filter(None, ["/hub/user-redirect", place.server, "git-pull"]))


def parse(parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
    found = PULL.fullmatch(parts.path)
    if not found or not parts.query:
        return None
    draft, notes = parse_pull(read_pull(parts.query))
    if found["server"]:
        notes = (*notes, f"The hub's server {found['server']!r} was left out.")
    chosen = WITH.fullmatch(found["base"])
    if chosen:
        env, tag = split_env(unescape_env(chosen[1]))
        return replace(draft, env=env, tag=tag, dialect="jupyterbook"), notes
    return replace(draft, dialect="jupyterhub"), (*notes, "The link names no environment.")


def escape_env(env: str, tag: str) -> str:
    """An environment as part of a path; escaped twice, because servers undo it once and join //."""
    text = quote(f"{env}@{tag}" if tag else env, safe="/@:").replace("//", "%2F%2F")
    return quote(text, safe="/@:")


def unescape_env(text: str) -> str:
    return unquote(unquote(text))
