"""The settings: `default.yml` is defaults, reference and schema at once."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from envs.conda import channel_urls
from envs.credentials import Credential, parts_of
from launcher.errors import BadSettings
from link_generator.link import env_address

FREE_MAPS = {"environments.catalogue", "base.pythons", "git.credentials", "conda.channels"}
"""Settings whose keys the administrator chooses."""
CATALOGUE_KEYS = {"repo", "tag", "title", "builder"}
CREDENTIAL_KEYS = {"url", "token_file", "key_file", "username"}


@dataclass(frozen=True)
class GitConfig:
    hosts: tuple[str, ...]
    timeout: float
    credentials: tuple[Credential, ...]


@dataclass(frozen=True)
class CatalogueEntry:
    """An environment that links may call by name."""

    repo: str
    tag: str = ""
    title: str = ""
    builder: str = ""
    """`repo2docker`, or empty for what `environments.builder` says."""


@dataclass(frozen=True)
class EnvironmentsConfig:
    catalogue: Mapping[str, CatalogueEntry]
    registries: tuple[str, ...]
    tag_life: float
    moved_tags: str
    builder: str
    repo2docker: str
    webhook_secret_file: Path | None

    def delegates(self, repo: str) -> bool:
        """True where the settings leave this repository to repo2docker, whatever it holds."""
        entries = [entry for entry in self.catalogue.values() if entry.builder == "repo2docker"]
        named = {env_address(entry.repo) or entry.repo for entry in entries}
        return self.builder == "repo2docker" or repo in named


@dataclass(frozen=True)
class BuildsConfig:
    at_once: int
    timeout: float
    min_free: int
    keep_days: float
    keep_cache: int
    gc_every: float
    route: str
    memory: int
    cpus: float
    processes: int
    network: str
    netrc_file: Path | None

    @property
    def limited(self) -> bool:
        """True where only the route by a container and its commit will do."""
        return bool(self.memory or self.cpus or self.processes or self.network or self.netrc_file)


@dataclass(frozen=True)
class BaseConfig:
    pythons: Mapping[str, str]
    source: str
    image: str
    debian_mirror: str
    server: tuple[str, ...]
    index_url: str
    cran: str
    cran_snapshots: str


@dataclass(frozen=True)
class CondaConfig:
    alias: str
    channels: Mapping[str, str]

    def urls(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses of channels that an environment names."""
        return channel_urls(names, alias=self.alias, channels=self.channels)

    def folders(self) -> list[Path]:
        """The channels that are folders of this machine."""
        urls = self.channels.values()
        return [Path(url.removeprefix("file://")) for url in urls if url.startswith("file://")]


@dataclass(frozen=True)
class ContentConfig:
    depth: int
    largest: int
    files: int
    fetch_largest: int
    fetch_timeout: float
    snapshots: int
    snapshot_days: float


@dataclass(frozen=True)
class SessionConfig:
    memory: int
    cpus: float
    processes: int
    idle: float
    max_age: float
    start_timeout: float


@dataclass(frozen=True)
class DockerConfig:
    network: str
    homes: str


@dataclass(frozen=True)
class WebConfig:
    threads: int
    streams: int
    starts_per_hour: int
    origins: tuple[str, ...]


@dataclass(frozen=True)
class LogConfig:
    format: str
    level: str


@dataclass(frozen=True)
class Config:
    """All settings, checked. Times are seconds, sizes bytes."""

    public_url: str
    listen: tuple[str, int]
    trusted_proxies: tuple[str, ...]
    data: Path
    runtime: str
    ca_bundle: Path | None
    git: GitConfig
    environments: EnvironmentsConfig
    builds: BuildsConfig
    base: BaseConfig
    conda: CondaConfig
    content: ContentConfig
    session: SessionConfig
    docker: DockerConfig
    web: WebConfig
    log: LogConfig


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
    config = _typed(settings)
    if config.builds.route == "buildkit" and config.builds.limited:
        raise BadSettings(
            "`builds.route`: buildkit knows neither limits nor credentials of package indexes.",
            hint="Set it to auto, or leave out memory, cpus, processes, network and netrc_file.",
        )
    return config


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


T = TypeVar("T")


def _typed(settings: dict[str, Any]) -> Config:
    def get(name: str, read: Callable[[Any], T]) -> T:
        value: Any = settings
        for part in name.split("."):
            value = value[part]
        try:
            return read(value)
        except (ValueError, TypeError, KeyError) as error:
            raise BadSettings(f"`{name}`: {error}") from error

    def section(kind: type[T], name: str, readers: Mapping[str, Callable[[Any], Any]]) -> T:
        return kind(**{f.name: get(f"{name}.{f.name}", readers[f.name]) for f in fields(kind)})  # type: ignore[arg-type]

    return Config(
        public_url=get("public_url", _url),
        listen=get("listen", _address),
        trusted_proxies=get("trusted_proxies", _texts),
        data=get("data", _data_folder),
        runtime=get("runtime", _one_of("auto", "docker", "local")),
        ca_bundle=get("ca_bundle", _ca_bundle),
        git=section(
            GitConfig,
            "git",
            {"hosts": _texts, "timeout": seconds, "credentials": _credentials},
        ),
        environments=section(
            EnvironmentsConfig,
            "environments",
            {
                "catalogue": _catalogue,
                "registries": _texts,
                "tag_life": seconds,
                "moved_tags": _one_of("follow", "pin"),
                "builder": _one_of("auto", "native", "repo2docker"),
                "repo2docker": _text,
                "webhook_secret_file": _file,
            },
        ),
        builds=section(
            BuildsConfig,
            "builds",
            {
                "at_once": _at_least_one,
                "min_free": size,
                "keep_days": _positive,
                "keep_cache": size,
                "gc_every": seconds,
                "timeout": seconds,
                "route": _one_of("auto", "buildkit", "commit"),
                "memory": size,
                "cpus": _zero_or_more,
                "processes": _count,
                "network": _text,
                "netrc_file": _file,
            },
        ),
        base=section(
            BaseConfig,
            "base",
            {
                "pythons": lambda value: {str(k): _text(v) for k, v in value.items()},
                "source": _one_of("auto", "image", "debootstrap"),
                "image": _text,
                "debian_mirror": _text,
                "server": _texts,
                "index_url": _index,
                "cran": _mirror(),
                "cran_snapshots": _mirror("{date}"),
            },
        ),
        conda=section(CondaConfig, "conda", {"alias": _text, "channels": _channels}),
        content=section(
            ContentConfig,
            "content",
            {
                "depth": _count,
                "largest": size,
                "files": _count,
                "fetch_largest": size,
                "fetch_timeout": seconds,
                "snapshots": _count,
                "snapshot_days": _positive,
            },
        ),
        session=section(
            SessionConfig,
            "session",
            {
                "memory": size,
                "cpus": _positive,
                "processes": _count,
                "idle": seconds,
                "max_age": seconds,
                "start_timeout": seconds,
            },
        ),
        docker=section(
            DockerConfig,
            "docker",
            {"network": _text, "homes": _one_of("auto", "bind", "volume")},
        ),
        web=section(
            WebConfig,
            "web",
            {
                "threads": _count,
                "streams": _count,
                "starts_per_hour": _count,
                "origins": _origins,
            },
        ),
        log=section(
            LogConfig,
            "log",
            {
                "format": _one_of("auto", "json", "text"),
                "level": _one_of("debug", "info", "warning", "error"),
            },
        ),
    )


def seconds(value: Any) -> float:
    """`90`, `30s`, `10m` or `12h` as seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not a time such as 30s, 10m or 12h")
    return float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"]


def size(value: Any) -> int:
    """`1048576`, `512M` or `1G` as bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", str(value).strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{value!r} is not a size such as 512M or 1G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text; put it in quotes")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list")
    return tuple(_text(item) for item in value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _at_least_one(value: Any) -> int:
    if not _count(value):
        raise ValueError("it is at least 1")
    return int(value)


def _zero_or_more(value: Any) -> float:
    return float(value) if value == 0 and not isinstance(value, bool) else _positive(value)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"{value!r} is not a number above 0")
    return float(value)


def _one_of(*known: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return str(value)

    return read


def _url(value: Any) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", _text(value)):
        raise ValueError(f"{value!r} is not an address such as https://notebooks.example.org")
    address = str(value).rstrip("/")
    if address.count("/") > 2:
        raise ValueError(f"{value!r} has a path; the launcher needs a host name of its own")
    return address


def _origins(value: Any) -> tuple[str, ...]:
    origins = tuple(text.rstrip("/").lower() for text in _texts(value))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@*]+", origin):
            raise ValueError(f"{origin!r} is neither https://HOST nor '*'")
    return origins


def _mirror(needs: str = "") -> Callable[[Any], str]:
    """The address of a mirror with `needs` in it; what must be there may also be missing whole."""

    def read(value: Any) -> str:
        if needs and _text(value) == "":
            return ""
        good = re.fullmatch(r"(https?|file)://[A-Za-z0-9._~:/?&=@%+{}-]+", _text(value))
        if not good or needs not in value:
            raise ValueError(f"{value!r} is not an address" + (f" with {needs}" if needs else ""))
        return str(value).rstrip("/")

    return read


def _index(value: Any) -> str:
    if re.match(r"\w+://[^/]*@", _text(value)):
        raise ValueError("every session would see its password; put that into builds.netrc_file")
    return str(value)


def _address(value: Any) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _data_folder(value: Any) -> Path:
    if _text(value):
        return Path(value).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/launcher")
    return Path.home() / ".local/share/launcher"


def _ca_bundle(value: Any) -> Path | None:
    named = os.environ.get("SSL_CERT_FILE", "") if value == "auto" else _text(value)
    if not named:
        return None
    if not Path(named).is_file():
        raise ValueError(f"there is no file {named}")
    return Path(named)


def _file(value: Any) -> Path | None:
    if not _text(value):
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _catalogue(value: Any) -> Mapping[str, CatalogueEntry]:
    entries = {}
    for name, entry in value.items():
        if not isinstance(entry, dict) or not entry.get("repo"):
            raise ValueError(f"{name} needs at least `repo: <address>`")
        for key in entry:
            if key not in CATALOGUE_KEYS:
                known = ", ".join(sorted(CATALOGUE_KEYS))
                raise ValueError(f"{name} has the unknown key {key!r}; known: {known}")
        if entry.get("builder", "repo2docker") != "repo2docker":
            raise ValueError(f"{name}: builder is repo2docker, or left out")
        entries[str(name)] = CatalogueEntry(**{key: str(text) for key, text in entry.items()})
    return entries


def _channels(value: Any) -> Mapping[str, str]:
    for name, url in value.items():
        if not re.match(r"(https?|file)://[^\s]+$", _text(url)):
            raise ValueError(f"{name}: {url!r} is no address such as https://... or file:///...")
        folder = url.removeprefix("file://")
        if folder != url and not Path(folder).is_dir():
            raise ValueError(f"{name}: there is no folder {folder}")
    return {str(name): url.rstrip("/") for name, url in value.items()}


def _credentials(value: Any) -> tuple[Credential, ...]:
    found = []
    for name, entry in value.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            raise ValueError(f"{name} needs at least `url: <address>` and a file")
        for key in entry:
            if key not in CREDENTIAL_KEYS:
                known = ", ".join(sorted(CREDENTIAL_KEYS))
                raise ValueError(f"{name} has the unknown key {key!r}; known: {known}")
        try:
            ssh = parts_of(entry["url"])[0][0] == "ssh"
        except ValueError as error:
            raise ValueError(f"{name}: {entry['url']!r} is no git address") from error
        wanted, other = ("key_file", "token_file") if ssh else ("token_file", "key_file")
        if wanted not in entry or other in entry:
            raise ValueError(f"{name}: this address needs `{wanted}`, and no `{other}`")
        file = Path(str(entry[wanted])).expanduser()
        if not file.is_file():
            raise ValueError(f"{name}: there is no file {file}")
        more = {"username": str(entry["username"])} if "username" in entry else {}
        found.append(Credential(str(name), entry["url"], file.absolute(), **more))
    return tuple(found)
