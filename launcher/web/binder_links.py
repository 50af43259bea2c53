"""Binder's addresses as launch links."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from flask import request

from envs.errors import EnvError, UnknownRef
from envs.version_cache import VersionCache
from launcher.asking import Asking, answer_within
from link_generator.binder_spec import parse_spec
from link_generator.checks import check_target
from link_generator.dialects.binder import parse_launch
from link_generator.link import Link

LANDING = ("labpath", "filepath", "urlpath")
"""Parts of an address that say where it opens."""
RENAMED = ("master", "main")
"""Default branches that old links name; many have another name by now."""


@dataclass(frozen=True)
class BinderLinks:
    """Reads them; asks the git host only whether an old default branch is still there."""

    versions: VersionCache
    asking: Asking = field(default_factory=Asking)
    patience: float = 3.0
    """Seconds for the git host, while a browser waits."""

    def link(self, provider: str, spec: str, query: str = "") -> Link:
        """The launch link that `/v2/<provider>/<spec>?<query>` stands for.

        :raises link_generator.link.BadLink: it names no repository that can be opened here, or
            leads out of the session.
        """
        repository, ref = parse_spec(provider, spec)
        for name, value in parse_qsl(query):
            if name in LANDING:
                check_target(name, value)
        draft, _notes = parse_launch(repository, self.branch_now(repository, ref), query)
        return draft.link()

    def branch_now(self, repository: str, ref: str) -> str:
        """The ref; empty, the default branch, for a `master` or `main` that is gone."""
        if ref in RENAMED:
            try:
                answer = self.asking.submit(self.versions.resolve, repository, ref)
                answer_within(answer, self.patience, repository)
            except UnknownRef:
                return ""
            except EnvError:  # the launch itself will say it
                return ref
        return ref


def raw_rest(first: str) -> str:
    """What follows `/<first>/` in the address as it was sent: `%2F` is no slash there."""
    raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or request.path
    return str(raw).partition("?")[0].partition(f"/{first}/")[2]
