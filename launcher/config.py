"""The settings: `default.yml` is defaults, reference and schema at once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from launcher.classes.times import Weekly, read_weekly
from launcher.errors import BadSettings
from launcher.settings.reading import merge, nested, read_file, setting, typed
from launcher.settings.sections import (
    BaseConfig,
    BuildsConfig,
    CapacityConfig,
    CondaConfig,
    ContentConfig,
    DockerConfig,
    EnvironmentsConfig,
    GitConfig,
    HomesConfig,
    LogConfig,
    MetricsConfig,
    PoolConfig,
    QueueConfig,
    SessionConfig,
    TlsConfig,
    WebConfig,
)
from launcher.settings.values import (
    address,
    ca_bundle,
    data_folder,
    host_name,
    networks,
    one_of,
    sessions_url,
    url,
)


@dataclass(frozen=True)
class Config:
    """All settings, checked. Times are seconds, sizes bytes."""

    public_url: str = setting(url)
    sessions_url: str = setting(sessions_url)
    listen: tuple[str, int] = setting(address)
    tls: TlsConfig = setting(TlsConfig)
    trusted_proxies: tuple[str, ...] = setting(networks)
    data: Path = setting(data_folder)
    runtime: str = setting(one_of("auto", "docker", "local"))
    ca_bundle: Path | None = setting(ca_bundle)
    git: GitConfig = setting(GitConfig)
    environments: EnvironmentsConfig = setting(EnvironmentsConfig)
    builds: BuildsConfig = setting(BuildsConfig)
    base: BaseConfig = setting(BaseConfig)
    conda: CondaConfig = setting(CondaConfig)
    content: ContentConfig = setting(ContentConfig)
    session: SessionConfig = setting(SessionConfig)
    homes: HomesConfig = setting(HomesConfig)
    capacity: CapacityConfig = setting(CapacityConfig)
    queue: QueueConfig = setting(QueueConfig)
    pool: PoolConfig = setting(PoolConfig)
    classes: tuple[Weekly, ...] = setting(read_weekly)
    docker: DockerConfig = setting(DockerConfig)
    web: WebConfig = setting(WebConfig)
    metrics: MetricsConfig = setting(MetricsConfig)
    log: LogConfig = setting(LogConfig)


def load_config(path: Path | None = None, **overrides: Any) -> Config:
    """The defaults, then the file, then `overrides` by dotted name (None is no override).

    :raises BadSettings: an unknown key (with the nearest known one) or a value of a wrong kind.
    """
    settings: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("default.yml").read_text("utf-8")
    )
    if path:
        merge(settings, read_file(path))
    for name, value in overrides.items():
        if value is not None:
            merge(settings, nested(name.replace("__", "."), value))
    config: Config = typed(Config, settings)
    check_together(config)
    return config


def check_together(config: Config) -> None:
    """:raises BadSettings: settings that are fine alone, and not with each other."""
    if config.builds.route == "buildkit" and config.builds.limited:
        raise BadSettings(
            "`builds.route`: buildkit knows neither limits nor credentials of package indexes.",
            hint="Set it to auto, or leave out memory, cpus, processes, network and netrc_file.",
        )
    if (config.tls.cert_file is None) != (config.tls.key_file is None):
        raise BadSettings("`tls`: cert_file and key_file go together; one of them is missing.")
    if config.tls.cert_file and config.listen[1] and config.public_url.startswith("http:"):
        raise BadSettings(
            f"`public_url` is {config.public_url}, but `tls` makes it an https address.",
            hint="Write it with https://; cookies are then for https only.",
        )
    if config.tls.challenges and not (config.tls.redirect and config.tls.cert_file):
        raise BadSettings(
            "`tls.challenges` is served by plain http, and nothing listens there.",
            hint='Set `tls.redirect: "0.0.0.0:80"` with cert_file and key_file, or leave it out.',
        )
    if config.sessions_url:
        check_sessions_url(config)


def why_unreachable(config: Config) -> str | None:
    """What keeps browsers of other machines away, as far as the settings tell; None for nothing."""
    public = urlsplit(config.public_url)
    if is_loopback(public.hostname or "") or config.trusted_proxies:
        return None
    if public.scheme == "https" and not config.tls.cert_file:
        return (
            f"`public_url` is {config.public_url}, and nothing here speaks https: set `tls`, or "
            "name the proxy that does in `trusted_proxies`"
        )
    if is_loopback(config.listen[0]):
        return (
            f"`listen` is {config.listen[0]}, which other machines do not reach: set 0.0.0.0 and a "
            "port, or name the proxy in front in `trusted_proxies`"
        )
    return None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_sessions_url(config: Config) -> None:
    """:raises BadSettings: it is no other host name than the launcher's, or cannot be reached."""
    sessions, home = urlsplit(config.sessions_url), urlsplit(config.public_url)
    if host_name(sessions.netloc) == host_name(home.netloc):
        raise BadSettings(
            f"`sessions_url`: {config.sessions_url} has the host name of `public_url`.",
            hint="Browsers keep host names apart, and not ports: give sessions another name.",
        )
    if sessions.scheme != home.scheme:
        raise BadSettings(
            f"`sessions_url`: {config.sessions_url} and `public_url` {config.public_url} "
            "must both be https, or both http."
        )
    if not config.listen[1]:
        raise BadSettings("`sessions_url` needs a fixed port in `listen`, not 0.")


def where_sessions_are(config: Config) -> str:
    """In a sentence, whether browsers keep them apart from the launcher's pages."""
    if "*" in config.sessions_url:
        return f"each session has a host name of its own: {config.sessions_url}"
    if config.sessions_url:
        return f"sessions have a host name of their own: {config.sessions_url}"
    return "sessions share the launcher's host name: their scripts can act there as who opened them"
