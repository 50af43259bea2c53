"""Which settings the launcher that serves goes by, for commands that would undo its work."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from envs.atomic import write_text
from launcher.config import Config
from launcher.gateway.process import find_gateway

log = logging.getLogger(__name__)


def note_settings(config: Config) -> None:
    """Write down what a launcher that begins to serve goes by; it serves without that, too."""
    file = file_of(config)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(file, digest(config))
    except OSError as error:
        log.error("%s cannot be written, so commands may refuse to work: %s", file, error)


def why_not_ours(config: Config, secret: bytes) -> str | None:
    """None, or that a launcher serves this data folder by other settings than these."""
    file = file_of(config)
    if not file.exists() or file.read_text() == digest(config) or not find_gateway(config, secret):
        return None
    return f"The launcher that serves {config.data} goes by other settings than this command."


HINT = "Name its settings with --settings; if you changed them, restart the launcher first."


def file_of(config: Config) -> Path:
    return config.data / "run" / "settings"


def digest(config: Config) -> str:
    """Differs where images that are needed, limits of builds or walls of sessions do."""
    kept = (config.environments, config.base, config.conda)
    walled = (config.builds, config.docker, config.session)
    return hashlib.sha256(repr((kept, walled)).encode()).hexdigest()
