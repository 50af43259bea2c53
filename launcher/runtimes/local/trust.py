"""What sandboxes must see beside /usr and /etc, and the certificates that they trust."""

from __future__ import annotations

from pathlib import Path

import uv


def trusted_files(ca_bundle: Path | None) -> list[Path]:
    """uv, and a CA bundle that is elsewhere."""
    found = [Path(uv.find_uv_bin())]
    if ca_bundle and not str(ca_bundle).startswith(("/etc/", "/usr/")):
        found.append(ca_bundle)
    return found


def trust_variables(ca_bundle: Path | None) -> dict[str, str]:
    """The CA bundle, by the names that programs know."""
    if not ca_bundle:
        return {}
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")
    return {name: str(ca_bundle) for name in names}
