"""The settings: `default.yml` is defaults, reference and schema at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from envs.conda import channel_urls
from envs.credentials import Credential
from launcher.classes.times import Weekly, read_weekly
from launcher.errors import BadSettings
from launcher.session import EGRESS
from launcher.settings.entries import CatalogueEntry, catalogue, channels, credentials, names
from launcher.settings.values import (
    address,
    address_or_none,
    at_least_one,
    auto_or,
    ca_bundle,
    count,
    data_folder,
    docker_network_or_none,
    file_path,
    host_name,
    index,
    ipv4_networks,
    mirror,
    network_of_sessions,
    networks,
    one_of,
    origins,
    ports,
    positive,
    seconds,
    sessions_url,
    size,
    text,
    texts,
    url,
    yes_no_auto,
    zero_or_more,
)
from link_generator.env_part import env_address

FREE_MAPS = {"environments.catalogue", "base.pythons", "git.credentials", "conda.channels"}
"""Settings whose keys the administrator chooses."""


def setting(read: Any) -> Any:
    """A setting of this name; `read` makes its value of what YAML holds, or is the section's class.

    Whatever `read` raises as ValueError, TypeError or KeyError names the setting.
    """
    return field(metadata={"read": read})


@dataclass(frozen=True)
class GitConfig:
    hosts: tuple[str, ...] = setting(texts)
    timeout: float = setting(seconds)
    credentials: tuple[Credential, ...] = setting(credentials)


@dataclass(frozen=True)
class EnvironmentsConfig:
    catalogue: Mapping[str, CatalogueEntry] = setting(catalogue)
    registries: tuple[str, ...] = setting(texts)
    tag_life: float = setting(seconds)
    moved_tags: str = setting(one_of("follow", "pin"))
    builder: str = setting(one_of("auto", "native", "repo2docker"))
    repo2docker: str = setting(text)
    webhook_secret_file: Path | None = setting(file_path)

    def delegates(self, repo: str) -> bool:
        """True where the settings leave this repository to repo2docker, whatever it holds."""
        entries = [entry for entry in self.catalogue.values() if entry.builder == "repo2docker"]
        named = {env_address(entry.repo) or entry.repo for entry in entries}
        return self.builder == "repo2docker" or repo in named


@dataclass(frozen=True)
class BuildsConfig:
    at_once: int = setting(at_least_one)
    timeout: float = setting(seconds)
    min_free: int = setting(size)
    keep_days: float = setting(positive)
    keep_cache: int = setting(size)
    gc_every: float = setting(seconds)
    route: str = setting(one_of("auto", "buildkit", "commit"))
    memory: int = setting(size)
    cpus: float = setting(zero_or_more)
    processes: int = setting(count)
    network: str = setting(docker_network_or_none)
    netrc_file: Path | None = setting(file_path)

    @property
    def limited(self) -> bool:
        """True where only the route by a container and its commit will do."""
        return bool(self.memory or self.cpus or self.processes or self.network or self.netrc_file)


@dataclass(frozen=True)
class BaseConfig:
    pythons: Mapping[str, str] = setting(names)
    source: str = setting(one_of("auto", "image", "debootstrap"))
    image: str = setting(text)
    debian_mirror: str = setting(text)
    server: tuple[str, ...] = setting(texts)
    index_url: str = setting(index)
    cran: str = setting(mirror())
    cran_snapshots: str = setting(mirror("{date}"))


@dataclass(frozen=True)
class CondaConfig:
    alias: str = setting(text)
    channels: Mapping[str, str] = setting(channels)

    def urls(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses of channels that an environment names."""
        return channel_urls(names, alias=self.alias, channels=self.channels)

    def folders(self) -> list[Path]:
        """The channels that are folders of this machine."""
        urls = self.channels.values()
        return [Path(url.removeprefix("file://")) for url in urls if url.startswith("file://")]


@dataclass(frozen=True)
class ContentConfig:
    depth: int = setting(count)
    largest: int = setting(size)
    files: int = setting(count)
    fresh: float = setting(seconds)
    fetch_largest: int = setting(size)
    fetch_timeout: float = setting(seconds)
    snapshots: int = setting(count)
    snapshot_days: float = setting(positive)


@dataclass(frozen=True)
class SessionConfig:
    memory: int = setting(size)
    cpus: float = setting(positive)
    processes: int = setting(count)
    disk: int = setting(size)
    tmp: int = setting(size)
    idle: float = setting(seconds)
    max_age: float = setting(seconds)
    start_timeout: float = setting(seconds)
    egress: str = setting(one_of(*EGRESS))
    web_ports: tuple[int, ...] = setting(ports)
    private_networks: tuple[str, ...] = setting(ipv4_networks)


@dataclass(frozen=True)
class HomesConfig:
    keep_days: float = setting(zero_or_more)
    bin_days: float = setting(zero_or_more)


@dataclass(frozen=True)
class CapacityConfig:
    memory: int | None = setting(auto_or(size))
    system: int = setting(size)
    reserve: int = setting(size)
    sessions: int = setting(count)
    per_student: int = setting(count)
    per_course: int = setting(count)


@dataclass(frozen=True)
class QueueConfig:
    take_within: float = setting(seconds)
    grace: float = setting(seconds)
    idle: float = setting(seconds)


@dataclass(frozen=True)
class PoolConfig:
    most: int = setting(count)
    demand: float = setting(seconds)
    at_once: int = setting(at_least_one)


@dataclass(frozen=True)
class DockerConfig:
    network: str = setting(network_of_sessions)
    firewall: str = setting(one_of("auto", "manual"))
    read_only: str = setting(yes_no_auto)
    homes: str = setting(one_of("auto", "bind", "volume"))


@dataclass(frozen=True)
class TlsConfig:
    cert_file: Path | None = setting(file_path)
    key_file: Path | None = setting(file_path)
    hsts: float = setting(seconds)
    redirect: tuple[str, int] | None = setting(address_or_none)


@dataclass(frozen=True)
class WebConfig:
    threads: int = setting(count)
    connections: int = setting(at_least_one)
    largest: int = setting(size)
    streams: int = setting(count)
    starts_per_hour: int = setting(count)
    guest_life: float = setting(seconds)
    launches_per_student: int = setting(count)
    launches_per_address: int = setting(count)
    rehearsals_per_hour: int = setting(count)
    origins: tuple[str, ...] = setting(origins)


@dataclass(frozen=True)
class MetricsConfig:
    networks: tuple[str, ...] = setting(networks)
    token_file: Path | None = setting(file_path)


@dataclass(frozen=True)
class LogConfig:
    format: str = setting(one_of("auto", "json", "text"))
    level: str = setting(one_of("debug", "info", "warning", "error"))


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


def where_sessions_are(config: Config) -> str:
    """In a sentence, whether browsers keep them apart from the launcher's pages."""
    if "*" in config.sessions_url:
        return f"each session has a host name of its own: {config.sessions_url}"
    if config.sessions_url:
        return f"sessions have a host name of their own: {config.sessions_url}"
    return "sessions share the launcher's host name: their scripts can act there as who opened them"


def load_config(path: Path | None = None, **overrides: Any) -> Config:
    """The defaults, then the file, then `overrides` by dotted name (None is no override).

    :raises BadSettings: an unknown key (with the nearest known one) or a value of a wrong kind.
    """
    settings: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("default.yml").read_text("utf-8")
    )
    if path:
        _merge(settings, _read(path), where="")
    for name, value in overrides.items():
        if value is not None:
            _merge(settings, _nested(name.replace("__", "."), value), where="")
    config: Config = _typed(Config, settings)
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
    if config.sessions_url:
        check_sessions_url(config)
    return config


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


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadSettings(
            f"The settings file {path} cannot be read: {error.strerror}.",
            hint="Name another with --settings, or leave it out for the defaults.",
        ) from error
    except yaml.YAMLError as error:
        raise BadSettings(f"{path} is not valid YAML: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadSettings(f"{path} must hold `key: value` lines.")
    return found


def _nested(name: str, value: Any) -> dict[str, Any]:
    head, _, rest = name.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _merge(settings: dict[str, Any], given: Mapping[Any, Any], *, where: str) -> None:
    for key, value in given.items():
        name = f"{where}{key}"
        if key not in settings:
            near = difflib.get_close_matches(str(key), list(settings), n=1)
            raise BadSettings(
                f"Unknown setting `{name}`.",
                hint=f"Did you mean `{where}{near[0]}`?" if near else "See default.yml.",
            )
        if isinstance(settings[key], dict):
            if not isinstance(value, dict):
                raise BadSettings(f"`{name}` holds settings of its own, not {value!r}.")
            if name in FREE_MAPS:
                settings[key] = {str(k): v for k, v in value.items()}
            else:
                _merge(settings[key], value, where=f"{name}.")
        else:
            settings[key] = value


def _typed(kind: Any, settings: Mapping[str, Any], *, where: str = "") -> Any:
    """The settings of a section, each as its field reads it."""
    found = {}
    for one in fields(kind):
        name, read = f"{where}{one.name}", one.metadata["read"]
        if is_dataclass(read):
            found[one.name] = _typed(read, settings[one.name], where=f"{name}.")
            continue
        try:
            found[one.name] = read(settings[one.name])
        except (ValueError, TypeError, KeyError) as error:
            raise BadSettings(f"`{name}`: {error}") from error
    return kind(**found)
