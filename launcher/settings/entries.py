"""Settings whose keys the administrator chooses: the catalogue, credentials, channels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.credentials import Credential, parts_of
from launcher.session import EGRESS
from launcher.settings.values import count, text
from link_generator.checks import LONGEST
from link_generator.env_part import NAME, env_address, env_image

CATALOGUE_KEYS = {"repo", "tag", "title", "builder", "egress", "warm"}
CREDENTIAL_KEYS = {"url", "token_file", "key_file", "username"}


@dataclass(frozen=True)
class CatalogueEntry:
    """An environment that links may call by name."""

    repo: str
    tag: str = ""
    title: str = ""
    builder: str = ""
    """`repo2docker`, or empty for what `environments.builder` says."""
    egress: str = ""
    """What its sessions may reach, or empty for what `session.egress` says."""
    warm: int = 0
    """Sessions of it that always run before anybody clicks."""

    @property
    def image(self) -> tuple[str, str] | None:
        """Name and tag of the image that exists already; None where it is built."""
        return env_image(self.repo)

    @property
    def address(self) -> str:
        """The address of its repository, or the name of its image."""
        return self.image[0] if self.image else env_address(self.repo) or self.repo


def catalogue(value: Any) -> Mapping[str, CatalogueEntry]:
    entries = {}
    for name, entry in value.items():
        if not NAME.fullmatch(text(name)) or len(name) > LONGEST:
            raise ValueError(
                f"no link can name {name[:80]!r}: names begin with a letter or digit and "
                "have only letters, digits, dots, dashes and underscores"
            )
        if not isinstance(entry, dict) or not entry.get("repo"):
            raise ValueError(f"{name} needs at least `repo: <address>`")
        for key in entry:
            if key not in CATALOGUE_KEYS:
                known = ", ".join(sorted(CATALOGUE_KEYS))
                raise ValueError(f"{name} has the unknown key {key!r}; known: {known}")
        said = texts_of(name, entry)
        if entry.get("builder", "repo2docker") != "repo2docker":
            raise ValueError(f"{name}: builder is repo2docker, or left out")
        if entry.get("egress", EGRESS[0]) not in EGRESS:
            raise ValueError(f"{name}: egress is one of {', '.join(EGRESS)}, or left out")
        try:
            warm = count(entry.get("warm", 0))
        except ValueError as error:
            raise ValueError(f"{name}: warm: {error}") from error
        entries[name] = CatalogueEntry(**said, warm=warm)
    return entries


def texts_of(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """What an entry says in words. YAML reads the tag 2025.10 as the number 2025.1.

    :raises ValueError: a number or the like, with where it stands.
    """
    said = {}
    for key, value in entry.items():
        if key != "warm":
            try:
                said[key] = text(value)
            except ValueError as error:
                raise ValueError(f"{name}: {key}: {error}") from error
    return said


def channels(value: Any) -> Mapping[str, str]:
    for name, url in value.items():
        if not re.match(r"(https?|file)://[^\s]+$", text(url)):
            raise ValueError(f"{name}: {url!r} is no address such as https://... or file:///...")
        folder = url.removeprefix("file://")
        if folder != url and not Path(folder).is_dir():
            raise ValueError(f"{name}: there is no folder {folder}")
    return {str(name): url.rstrip("/") for name, url in value.items()}


def credentials(value: Any) -> tuple[Credential, ...]:
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


def names(value: Any) -> Mapping[str, str]:
    return {text(key): text(one) for key, one in value.items()}
