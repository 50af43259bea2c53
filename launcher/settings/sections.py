"""The sections of the settings, as values; what each setting means is in `default.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envs.conda import channel_urls
from envs.credentials import Credential
from launcher.session import EGRESS
from launcher.settings.entries import CatalogueEntry, catalogue, channels, credentials, names
from launcher.settings.reading import setting
from launcher.settings.values import (
    address_or_none,
    at_least_one,
    auto_or,
    count,
    docker_network_or_none,
    file_path,
    folder_path,
    index,
    ipv4_networks,
    mirror,
    network_of_sessions,
    networks,
    one_of,
    origins,
    ports,
    positive,
    proxy,
    seconds,
    size,
    some,
    text,
    texts,
    yes_no_auto,
    zero_or_more,
)

TIMEOUT = some(seconds, "write how long it may take")


@dataclass(frozen=True)
class GitConfig:
    hosts: tuple[str, ...] = setting(texts)
    timeout: float = setting(TIMEOUT)
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
        entries = self.catalogue.values()
        named = {entry.address for entry in entries if entry.builder == "repo2docker"}
        return self.builder == "repo2docker" or repo in named


@dataclass(frozen=True)
class BuildsConfig:
    at_once: int = setting(at_least_one)
    per_owner: int = setting(at_least_one)
    timeout: float = setting(TIMEOUT)
    largest: int = setting(size)
    min_free: int = setting(size)
    keep_days: float = setting(positive)
    keep_cache: int = setting(size)
    gc_every: float = setting(seconds)
    route: str = setting(one_of("auto", "buildkit", "commit"))
    memory: int = setting(size)
    cpus: float = setting(zero_or_more)
    processes: int = setting(count)
    network: str = setting(docker_network_or_none)
    private_networks: tuple[str, ...] = setting(ipv4_networks)
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
    min_free: int = setting(size)
    keep_unused: int = setting(size)
    snapshots: int = setting(count)
    snapshot_days: float = setting(positive)


@dataclass(frozen=True)
class SessionConfig:
    memory: int = setting(some(size, "each session needs one, such as 1G"))
    cpus: float = setting(positive)
    processes: int = setting(count)
    disk: int = setting(size)
    files: int = setting(count)
    tmp: int = setting(size)
    idle: float = setting(some(seconds, "to keep sessions long, write 30d"))
    max_age: float = setting(some(seconds, "to keep sessions long, write 30d"))
    start_timeout: float = setting(TIMEOUT)
    egress: str = setting(one_of(*EGRESS))
    proxy: str = setting(proxy)
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
    challenges: Path | None = setting(folder_path)


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
    looks_per_hour: int = setting(count)
    origins: tuple[str, ...] = setting(origins)


@dataclass(frozen=True)
class MetricsConfig:
    networks: tuple[str, ...] = setting(networks)
    token_file: Path | None = setting(file_path)


@dataclass(frozen=True)
class LogConfig:
    format: str = setting(one_of("auto", "json", "text"))
    level: str = setting(one_of("debug", "info", "warning", "error"))
