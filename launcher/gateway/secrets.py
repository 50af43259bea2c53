"""What the gateway and the app prove themselves with, derived from the data folder's secret."""

from __future__ import annotations

from launcher.people.identity import derived


def admin_token(secret: bytes) -> str:
    """Opens the admin port."""
    return derived(secret, "gateway admin")


def app_secret(secret: bytes) -> str:
    """Proves to the app that a request came through the gateway."""
    return derived(secret, "gateway to app")
