"""`/healthz`: the app answers; `/readyz`: sessions could start now."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from launcher.gateway.client import GatewayClient
from launcher.runtimes.base import Runtime


def create_blueprint(runtime: Runtime, gateway: GatewayClient) -> Blueprint:
    """The views of health."""
    views = Blueprint("health", __name__)

    @views.get("/healthz")
    def healthz() -> Response:
        return jsonify(ok=True)

    @views.get("/readyz")
    def readyz() -> tuple[Response, int]:
        checks = {"runtime": runtime.health(), "gateway": gateway.health()}
        ok = not any(checks.values())
        return jsonify(ok=ok, checks={k: v or "ok" for k, v in checks.items()}), 200 if ok else 503

    return views
