"""The gateway's process: found when it runs, started when not, started again when it dies."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import launcher
from launcher.config import Config
from launcher.errors import LaunchError
from launcher.gateway.client import Announced, GatewayClient, NoAnswer
from launcher.gateway.exits import Exit
from launcher.gateway.secrets import admin_token
from launcher.machine.ports import why_not_free

log = logging.getLogger(__name__)

START = 60.0
"""Seconds that a new gateway may take to answer: Python, and all that it imports."""
PATIENCE = 20.0
"""The same for one that is there already, and very busy."""
END = 10.0
"""Seconds that it may take to end. The warm sessions' own come before, and systemd waits for 30."""


class GatewayFailed(LaunchError):
    """The gateway did not start, most often because its port is taken."""


@dataclass
class Gateway:
    """The gateway of this launcher, which holds the data folder: whoever started it."""

    config: Config
    client: GatewayClient
    port: int
    """The public one; that of the settings may be 0."""
    process: subprocess.Popen[bytes] | None = None
    """Set when this launcher started it."""

    @property
    def url(self) -> str:
        """The address that its public port answers on, for port 0 in the settings."""
        return url_of(self.config, self.port)

    def ensure(self) -> None:
        """Start it again if it died, whoever started it; its routes come back from its file."""
        if self.process:
            died = self.process.poll() is not None
        else:
            died = not self.client.listens()
        if died:
            log.error("the gateway ended; starting it again")
            config = replace(self.config, listen=(self.config.listen[0], self.port))
            self.process = start_gateway(config, self.client)

    def stop(self) -> None:
        """End it; it closes sockets politely and keeps its routes."""
        if self.process is None:
            if not end_found(self.client):
                log.error("the gateway goes on: it did not end within %.0f s", END)
        elif self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def url_of(config: Config, port: int) -> str:
    """The address of a gateway on that public port."""
    host, _ = config.listen
    scheme = "https" if config.tls.cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def client_of(config: Config, secret: bytes) -> GatewayClient:
    return GatewayClient(config.data / "run" / "gateway", admin_token(secret))


def find_gateway(config: Config, secret: bytes) -> GatewayClient | None:
    """The gateway of this data folder, if it runs."""
    client = client_of(config, secret)
    return client if is_running(client.announced()) and not client.health() else None


def is_running(announced: Announced | None) -> bool:
    """False where there is none, or its process is another program: after a reboot, numbers and
    ports of before mean others, who should neither be waited for nor be told our token."""
    if announced is None:
        return False
    try:
        words = Path(f"/proc/{announced.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self/cmdline").exists()
    return b"launcher.gateway" in words and announced.mark.encode() in words


def ensure_gateway(config: Config, secret: bytes) -> Gateway:
    """The gateway that a killed launcher left, if it is as a new one would be; else a new one.

    :raises GatewayFailed: it ended at once, most often because its port is taken; or the one
        that runs does not answer, or cannot be ended.
    """
    client, left = client_of(config, secret), None
    if is_running(client.announced()):
        wait_while_slow(client)
        left = client.announced() if client.health() is None else None
    if left and is_as_asked(config, left):
        return Gateway(config, client, left.public)
    if left:
        log.info("the gateway runs with other settings or another version; replacing it")
        if not end_found(client):
            raise GatewayFailed(
                f"The gateway of {config.data} runs with other settings or another version.",
                hint=f"End it (process {left.pid}) and start again.",
            )
    process = start_gateway(config, client)
    started = client.announced()
    return Gateway(config, client, started.public if started else config.listen[1], process)


def is_as_asked(config: Config, announced: Announced) -> bool:
    """True for a gateway that listens and does as the settings say, and has our own code."""
    return config.listen[1] in (0, announced.public) and announced.mark == mark_of(config)


def wait_while_slow(client: GatewayClient) -> None:
    """:raises GatewayFailed: there is one that does not answer, and another cannot start."""
    deadline = time.monotonic() + PATIENCE
    while client.is_slow():
        if time.monotonic() > deadline:
            announced = client.announced()
            raise GatewayFailed(
                f"The gateway that runs did not answer within {PATIENCE:.0f} s.",
                hint=f"End it (process {announced.pid if announced else '?'}) and start again.",
            )
        log.warning("the gateway that runs is slow to answer; waiting for it")


def end_found(client: GatewayClient) -> bool:
    """End a gateway that another launcher started; False when it goes on."""
    with contextlib.suppress(NoAnswer):  # it may end without an answer
        client.stop()
    deadline = time.monotonic() + END
    while client.listens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def start_gateway(config: Config, client: GatewayClient) -> subprocess.Popen[bytes]:
    """Start the process and wait until it answers."""
    process = subprocess.Popen(gateway_command(config), stdin=subprocess.DEVNULL)
    try:
        wait_until_it_answers(process, config, client)
    except BaseException:  # a signal, too: nobody else knows this process
        process.kill()
        process.wait(5)
        raise
    return process


def wait_until_it_answers(
    process: subprocess.Popen[bytes], config: Config, client: GatewayClient
) -> None:
    """:raises GatewayFailed: it ended, or does not answer in time."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise why_it_ended(process.returncode, config)
        announced = client.announced()
        if announced and announced.pid == process.pid and client.health() is None:
            return
        time.sleep(0.05)
    raise GatewayFailed(
        f"The gateway did not answer within {START:.0f} s.", hint="See its log lines above."
    )


def why_it_ended(code: int, config: Config) -> GatewayFailed:
    """What its exit code means, with the setting that it is about."""
    if code == Exit.CERTIFICATE:
        return GatewayFailed(
            f"The certificate {config.tls.cert_file} and its key cannot be used.",
            hint="Both are PEM files; the certificate comes first, then its chain.",
        )
    if code == Exit.LISTEN:
        return cannot_listen("listen", config.listen)
    if code == Exit.REDIRECT and config.tls.redirect:
        return cannot_listen("tls.redirect", config.tls.redirect)
    if code < 0:
        return GatewayFailed("The gateway was killed while it started.")
    host, port = config.listen
    return GatewayFailed(
        f"The gateway for {host}:{port} ended with exit code {code} while it started.",
        hint="Its last lines, in the log above, say why.",
    )


def cannot_listen(setting: str, address: tuple[str, int]) -> GatewayFailed:
    host, port = address
    why = why_not_free(host, port) or "it was taken a moment ago"
    return GatewayFailed(
        f"The gateway cannot listen on {host}:{port}, as `{setting}` says: {why}.",
        hint="End the program that has the port (ss -ltnp names it), or choose another address. "
        "Ports below 1024 are root's.",
    )


def gateway_command(config: Config) -> list[str]:
    """The argv of the gateway's process."""
    return [sys.executable, "-m", "launcher.gateway", *options(config), "--mark", mark_of(config)]


def options(config: Config) -> list[str]:
    """What the settings say, in the gateway's words."""
    host, port = config.listen
    command = ["--listen", f"{host}:{port}"]
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
        if tls.challenges:
            command += ["--challenges", str(tls.challenges)]
    return command


def mark_of(config: Config) -> str:
    """Differs where a running gateway does not do what one that is started now would do.

    Its port says itself whether it is the right one.
    """
    any_port = replace(config, listen=(config.listen[0], 0))
    return hashlib.sha256(repr((options(any_port), code())).encode()).hexdigest()[:12]


@functools.cache
def code() -> str:
    """Differs between versions of the launcher, released or not."""
    digest = hashlib.sha256(version("aiohttp").encode())
    for file in sorted(Path(launcher.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
