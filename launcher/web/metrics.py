"""`/metrics` for Prometheus: for programs of this machine, or those that the settings name."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, abort, request

from launcher.gateway.headers import browser_address
from launcher.metrics.metrics import Metrics

TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Readers:
    """Who may read the numbers: from an address of these networks, or with the token."""

    networks: Sequence[str]
    token_file: Path | None
    trusted: Sequence[str]
    """Proxies in front, as networks; behind them the address of the browser counts."""

    def allows(self, forwarded_for: str, authorization: str) -> bool:
        """True for an address that may, or for `Bearer <token>`."""
        kind, _, given = authorization.partition(" ")
        token = self.token_file.read_text("utf-8").strip() if self.token_file else ""
        if token and kind.lower() == "bearer":
            return hmac.compare_digest(given.strip().encode(), token.encode())
        address = browser_address(forwarded_for, self.trusted)
        return address is not None and any(
            address in ipaddress.ip_network(one) for one in self.networks
        )


def create_blueprint(metrics: Metrics, readers: Readers) -> Blueprint:
    """The one view."""
    views = Blueprint("metrics", __name__)

    @views.get("/metrics")
    def numbers() -> Response:
        sent = request.headers
        if not readers.allows(sent.get("X-Forwarded-For", ""), sent.get("Authorization", "")):
            abort(403, "The numbers are not for this address (`metrics` in the settings).")
        return Response(metrics.text(), content_type=TYPE)

    return views
