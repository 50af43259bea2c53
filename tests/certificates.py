"""Certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(
    folder: Path, name: str = "127.0.0.1", *, days: int = 30, hosts: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    """A new self-signed certificate for an address, and its key, always at the same two paths.

    `hosts` are names that it is for, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", str(days), "-subj", f"/CN={name}"]
    names = ",".join([f"IP:{name}", *(f"DNS:{host}" for host in hosts)])
    command += ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key
