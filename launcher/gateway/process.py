"""The gateway's process: found when it runs, started when not, started again when it dies."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import time
from dataclasses import dataclass, replace

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.gateway.client import GatewayClient
from launcher.gateway.secrets import admin_token

log = logging.getLogger(__name__)


class GatewayFailed(LaunchError):
    """The gateway did not start, most often because its port is taken."""


@dataclass
class Gateway:
    """The running gateway."""

    config: Config
    client: GatewayClient
    process: subprocess.Popen[bytes] | None = None
    """Set when this launcher started it; whoever starts it ends it."""

    @property
    def url(self) -> str:
        """The address that its public port answers on, for port 0 in the settings."""
        host, _ = self.config.listen
        ports = self.client.ports()
        scheme = "https" if self.config.tls.cert_file else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{ports[1] if ports else 0}"

    def ensure(self) -> None:
        """Start it again if it died, whoever started it; its routes come back from its file."""
        if self.process:
            died = self.process.poll() is not None
        else:
            died = not self.client.listens()
        if died:
            log.error("the gateway ended; starting it again")
            listen = (self.config.listen[0], int(self.url.rsplit(":", 1)[1]))
            config = replace(self.config, listen=listen)
            self.process = start_gateway(config, self.client)

    def stop(self) -> None:
        """End it if it was started here; it closes sockets politely and keeps its routes."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def client_of(config: Config, secret: bytes) -> GatewayClient:
    return GatewayClient(config.data / "run" / "gateway", admin_token(secret))


def find_gateway(config: Config, secret: bytes) -> GatewayClient | None:
    """The gateway of this data folder, if it runs."""
    client = client_of(config, secret)
    return None if client.health() else client


def ensure_gateway(config: Config, secret: bytes) -> Gateway:
    """The gateway that runs already, or a new one.

    :raises GatewayFailed: it ended at once, most often because its port is taken; or the one
        that runs listens elsewhere than the settings say.
    """
    client = client_of(config, secret)
    if client.health() is None:
        refuse_another(config, client)
        return Gateway(config, client)
    return Gateway(config, client, start_gateway(config, client))


def refuse_another(config: Config, client: GatewayClient) -> None:
    """A gateway outlives its launcher; one from before a change of the settings must go first."""
    words = client.announcement.read_text().split()
    ports = client.ports()
    if ports and config.listen[1] not in (0, ports[1]):
        raise GatewayFailed(
            f"The gateway of {config.data} still listens on port {ports[1]}, "
            f"not on {config.listen[1]} as the settings say.",
            hint=f"End it (process {words[2]}) and start again, or set `listen` back.",
        )
    if words[3:] != [mark_of(config)]:
        raise GatewayFailed(
            f"The gateway of {config.data} still runs with other settings than these.",
            hint=f"End it (process {words[2]}) and start again.",
        )


def start_gateway(config: Config, client: GatewayClient) -> subprocess.Popen[bytes]:
    """Start the process and wait until it answers."""
    client.announcement.unlink(missing_ok=True)
    process = subprocess.Popen(gateway_command(config), stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            host, port = config.listen
            if process.returncode == 2:
                raise GatewayFailed(
                    f"The certificate {config.tls.cert_file} and its key cannot be used.",
                    hint="Both are PEM files; the certificate comes first, then its chain.",
                )
            if process.returncode < 0:
                raise GatewayFailed("The gateway was killed while it started.")
            raise GatewayFailed(
                f"The gateway could not listen on {host}:{port}.",
                hint="Another program may use that port: choose one with `listen` or --listen.",
            )
        if client.health() is None:
            return process
        time.sleep(0.05)
    process.kill()
    process.wait(5)
    raise GatewayFailed("The gateway did not answer within 20 s.", hint="See its log lines above.")


def gateway_command(config: Config) -> list[str]:
    """The argv of the gateway's process."""
    host, port = config.listen
    command = [sys.executable, "-m", "launcher.gateway", "--listen", f"{host}:{port}"]
    command += ["--data", str(config.data), "--log-format", config.log.format]
    command += ["--log-level", config.log.level]
    for network in config.trusted_proxies:
        command += ["--trust", network]
    for origin in config.web.origins:
        command += ["--origin", origin]
    if config.sessions_url:
        command += ["--sessions", config.sessions_url, "--home", config.public_url]
    command += ["--largest", str(config.web.largest)]
    command += ["--connections", str(config.web.connections)]
    tls = config.tls
    if tls.cert_file and tls.key_file:
        command += ["--cert", str(tls.cert_file), "--key", str(tls.key_file)]
        command += ["--hsts", str(int(tls.hsts))]
        if tls.redirect:
            listen = "{}:{}".format(*tls.redirect)
            command += ["--redirect", listen, "--redirect-to", config.public_url]
    return [*command, "--mark", mark_of(config)]


def mark_of(config: Config) -> str:
    """Differs where the settings do that a running gateway cannot take on."""
    told: list[object] = [
        config.trusted_proxies,
        config.web.origins,
        config.web.largest,
        config.tls,
    ]
    if config.sessions_url:
        told += [config.sessions_url, config.public_url]
    return hashlib.sha256(repr(tuple(told)).encode()).hexdigest()[:12]
