"""TLS by certificate files; new files count for new connections, without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0
"""Seconds between two looks at the files."""


@dataclass
class Certificate:
    """A certificate with its chain, and its key, as PEM files."""

    cert_file: Path
    key_file: Path
    context: ssl.SSLContext = field(init=False)
    _seen: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.context = self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        self._seen = self._stamp()

    def reload(self) -> bool:
        """Take new files when there are some; broken ones are logged, and the old ones go on."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))  # are they a pair?
            self._load(self.context)
        except OSError as error:  # ssl.SSLError is one, too
            log.error("the new certificate cannot be used: %s", error)
            return False
        self._seen = stamp
        log.info("certificate loaded again", extra={"file": str(self.cert_file)})
        return True

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.reload()

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def _stamp(self) -> tuple[int, ...]:
        found = (self.cert_file.stat(), self.key_file.stat())
        return tuple(number for one in found for number in (one.st_mtime_ns, one.st_size))
