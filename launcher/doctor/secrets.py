"""Files that only the launcher may read, and the certificate's end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from launcher.config import Config
from launcher.doctor.finding import Finding

SOON = 14 * 86400.0
"""Seconds before a certificate's end at which somebody should look."""


def look(config: Config) -> Iterator[Finding]:
    """Credentials by name, then all other secret files, then the certificate."""
    for one in config.git.credentials:
        yield secret_file(f"credential {one.name}", one.file, f"for {one.url}")
    named = {
        "secret key": config.data / "secret.key",
        "routes": config.data / "run" / "routes.json",
        "TLS key": config.tls.key_file,
        "metrics token": config.metrics.token_file,
        "webhook secret": config.environments.webhook_secret_file,
        "package credentials": config.builds.netrc_file,
    }
    for name, file in named.items():
        if file and file.exists():
            yield secret_file(name, file, "closed to other users")
    if config.tls.cert_file:
        yield certificate(config.tls.cert_file)


def secret_file(name: str, file: Path, good: str) -> Finding:
    """A file that the launcher can read and nobody else can."""
    readable = os.access(file, os.R_OK)
    closed = file.stat().st_mode & 0o077 == 0
    said = f"{file} is open to other users" if readable else f"{file} cannot be read"
    return Finding(
        name,
        readable and closed,
        good if readable and closed else said,
        f"chmod 600 {file}, and make it the launcher's own",
    )


def certificate(file: Path) -> Finding:
    """How long it is good for."""
    command = ["openssl", "x509", "-in", str(file), "-noout", "-enddate"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        end = parsedate_to_datetime(mail_date(said.partition("=")[2])).timestamp()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        return Finding("certificate", False, f"{file} cannot be read: {error}", "Is it a PEM file?")
    left = end - time.time()
    words = f"{file} is good for {left / 86400:.0f} days" if left > 0 else f"{file} has expired"
    return Finding(
        "certificate",
        left > SOON,
        words,
        "Renew it; the new file is taken by itself.",
        serious=left <= 0,
    )


def mail_date(openssl: str) -> str:
    """`Nov 21 11:00:00 2026 GMT` in the order in which mails have it."""
    month, day, clock, year, _zone = openssl.split()
    return f"{day} {month} {year} {clock} +0000"
