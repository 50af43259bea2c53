"""Webhooks: a tag that is pushed to an environment of the catalogue is built at once."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.datastructures import Headers

from envs.credentials import place_of
from launcher.settings.entries import CatalogueEntry
from launcher.web.request import signed_otherwise

log = logging.getLogger(__name__)

LARGEST = 5_000_000
"""Bytes of one message."""
Build = Callable[[str, str], object]
"""Builds a repository's ref, in the background."""


def create_blueprint(
    catalogue: Mapping[str, CatalogueEntry], secret_file: Path | None, build: Build
) -> Blueprint:
    """The address that GitHub, GitLab and Gitea (Forgejo, Codeberg) call."""
    views = Blueprint("hooks", __name__)

    @views.post("/api/hooks/environments")
    @signed_otherwise
    def pushed() -> tuple[Response, int]:
        if secret_file is None:
            abort(404, "Webhooks are off: `environments.webhook_secret_file` names no file.")
        if (request.content_length or 0) > LARGEST:
            abort(413, "The message is too large.")
        body = request.get_data(cache=True)
        if not is_signed(request.headers, body, secret_file.read_text("utf-8").strip()):
            abort(403, "The message is not signed with this server's webhook secret.")
        message = request.get_json(silent=True)
        if not isinstance(message, dict):
            abort(400, "The message is not JSON: choose application/json as its content type.")
        wanted = refs_to_build(message, catalogue)
        for repo, ref in wanted:
            log.info("webhook: building %s of %s", ref, repo)
            build(repo, ref)
        return jsonify(building=[{"repo": repo, "ref": ref} for repo, ref in wanted]), 202

    return views


def is_signed(headers: Headers, body: bytes, secret: str) -> bool:
    """True for GitHub's and Gitea's signature of the body, or GitLab's token."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = (
        (headers.get("X-Hub-Signature-256", ""), f"sha256={digest}"),
        (headers.get("X-Gitea-Signature", ""), digest),
        (headers.get("X-Gitlab-Token", ""), secret),
    )
    return bool(secret) and any(
        hmac.compare_digest(one.encode(), right.encode()) for one, right in given
    )


def refs_to_build(
    message: Mapping[str, Any], catalogue: Mapping[str, CatalogueEntry]
) -> list[tuple[str, str]]:
    """The repository and ref of each environment that a push concerns.

    Every pushed tag of a repository of the catalogue; of branches only one that it names.
    """
    kind, _, name = str(message.get("ref", "")).removeprefix("refs/").partition("/")
    if set(str(message.get("after", ""))) == {"0"} or not name:
        return []  # deleted, or no push
    pushed = {address for address in map(place_of, addresses(message)) if address}
    found = []
    for entry in catalogue.values():
        if place_of(entry.address) in pushed and (kind == "tags" or name == entry.tag):
            found.append((entry.address, name))
    return list(dict.fromkeys(found))


def addresses(message: Mapping[str, Any]) -> list[str]:
    """Every address by which the message calls its repository."""
    names = ("clone_url", "ssh_url", "git_ssh_url", "git_http_url", "html_url", "git_url")
    places = (message.get("repository"), message.get("project"))
    return [
        str(place[name])
        for place in places
        if isinstance(place, dict)
        for name in names
        if place.get(name)
    ]
