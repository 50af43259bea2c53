"""What links, badges and tools made for BinderHub ask for, at the addresses where they look.

`/v2/...` is our own launch by another name: it redirects to the link that says the same.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from urllib.parse import quote

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, request

from launcher.gateway.client import GatewayClient
from launcher.runtimes.base import Runtime
from launcher.web.binder_links import BinderLinks, raw_rest
from launcher.web.repo_providers import REPO_PROVIDERS
from link_generator.link import compose_link


def create_blueprint(links: BinderLinks, runtime: Runtime, gateway: GatewayClient) -> Blueprint:
    """The views, all but `/build`."""
    views = Blueprint("binder", __name__)

    @views.get("/v2/<provider>/<path:spec>", merge_slashes=False)
    def launch(provider: str, spec: str) -> Response:
        raw_spec = raw_rest("v2").partition("/")[2]
        link = links.link(provider, raw_spec, request.query_string.decode("utf-8", "replace"))
        return make_response(redirect(compose_link(link, ""), 303))

    @views.get("/repo/<user>/<repo>", defaults={"path": ""})
    @views.get("/repo/<user>/<repo>/<path:path>")
    def legacy(user: str, repo: str, path: str) -> Response:
        """Binder's addresses of before 2017."""
        where = f"/v2/gh/{quote(user, safe='')}/{quote(repo, safe='')}/master"
        opened = f"?urlpath={quote(f'/{path}', safe='')}" if path else ""
        return make_response(redirect(where + opened, 302))

    @views.get("/badge.svg")
    @views.get("/assets/images/badge.svg")
    def badge() -> Response:
        return drawing("badge.svg")

    @views.get("/badge_logo.svg")
    def badge_logo() -> Response:
        return drawing("badge_logo.svg")

    @views.get("/versions")
    def versions() -> Response:
        here = our_version()
        made_by = {"split-launcher": here}
        return jsonify(binderhub=here, builder="split-launcher", builder_info=made_by)

    @views.get("/api/repoproviders")
    def repo_providers() -> Response:
        return jsonify(REPO_PROVIDERS)

    @views.get("/health")
    def health() -> tuple[Response, int]:
        found = {"Sessions": runtime.health(), "Gateway": gateway.health()}
        ok = not any(found.values())
        checks = [
            {"service": name, "ok": not why, **({"message": why} if why else {})}
            for name, why in found.items()
        ]
        return jsonify(ok=ok, checks=checks), 200 if ok else 503

    return views


def drawing(name: str) -> Response:
    """A badge, which pages of other sites show; browsers may keep it for an hour."""
    response = current_app.send_static_file(name)
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def our_version() -> str:
    try:
        return version("split-launcher")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0"
