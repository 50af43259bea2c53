"""Addresses of a JupyterHub that lead here: below `/with/<environment>`, or the host changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response as Answer

from link_generator.dialects import parse_any
from link_generator.dialects.jupyterhub import unescape_env
from link_generator.errors import BadLink
from link_generator.link import compose_link


def add_views(views: Blueprint, public_url: str, catalogue: Mapping[str, Any]) -> None:
    """Each answers with the launch that is meant."""

    @views.get("/with/<path:rest>")
    def with_environment(rest: str) -> Answer:
        """A JupyterHub's addresses below one environment, for Jupyter Book and its kind."""
        if "/hub/" not in rest:
            return redirect(f"/?{urlencode({'env': unescape_env(rest)})}")
        draft, _notes = parse_any(f"{public_url}/with/{quote(rest, safe='/@:')}?{raw_query()}")
        if draft.dialect != "jupyterbook":
            abort(404, "A link below /with/ ends in /hub/user-redirect/git-pull?repo=...")
        return redirect(compose_link(draft.link(), public_url))

    @views.get("/hub/user-redirect/<path:rest>")
    @views.get("/hub/lti/launch")
    def hub(rest: str = "") -> Answer:
        """A hub's link whose host was changed to ours; the only environment here is meant."""
        draft, _notes = parse_any(f"{public_url}{request.path}?{raw_query()}")
        if len(catalogue) != 1 or draft.dialect == "address":
            raise BadLink(
                "env",
                "A hub's link names no environment, and this server has not just one.",
                "Put it before /hub, as in /with/gh/org/env@v1/hub/user-redirect/git-pull?...",
            )
        return redirect(compose_link(draft.with_env(next(iter(catalogue))), public_url))


def raw_query() -> str:
    return request.query_string.decode("latin-1")
