"""How often one address may look at repositories through the link page: against abuse alone."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, request

from launcher.web.rate import RateLimit, client_address

LOOKS = ("/api/check", "/api/choices/")
"""Addresses that ask git hosts; the page itself does where it is asked by `look` or `check`."""


def limit_looks(views: Blueprint, limit: RateLimit, trusted_proxies: Sequence[str]) -> Blueprint:
    """Count what these views ask of git hosts."""

    @views.before_request
    def count() -> None:
        looks = request.path.startswith(LOOKS) or {"look", "check"} & request.args.keys()
        if not looks:
            return
        forwarded = request.headers.get("X-Forwarded-For", request.remote_addr or "")
        taken = limit.take(client_address(forwarded, trusted_proxies))
        if taken and not taken.allowed:
            minutes = -(-taken.wait // 60)
            abort(429, f"Your network address has looked often. Try again in {minutes} min.")

    return views
