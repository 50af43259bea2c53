"""What a student's folder was last given: remembered beside their home, out of their reach."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envs.atomic import write_text
from launcher.content.receipt import Receipt
from launcher.content.upstream import Upstream
from launcher.errors import FolderOfAnother
from launcher.homes.home import course_name, plain_address
from launcher.session import SessionSpec
from link_generator.content import Content, content_folders, folder_names, is_inside
from link_generator.link import Link

REMEMBERED = 20
"""Receipts that are kept of one folder."""


@dataclass(frozen=True)
class Delivered:
    """The last delivery into one folder of a student's home."""

    folder: str
    repo: str
    branch: str
    """As the link names it; empty is the default branch."""
    only: tuple[str, ...]
    """The folders that the student has got so far; none is everything."""
    at: float
    """Unix seconds."""
    commit: str = ""
    """As it was delivered, see `shape.py`."""
    newest: str = ""
    """The upstream's own commit."""
    said: str = ""
    """What the last pull did, in a sentence."""
    receipts: tuple[Mapping[str, Any], ...] = ()
    """Of pulls that changed something, as JSON with the time `at`, newest first."""

    @property
    def content(self) -> Content:
        """What to ask for to bring this folder up to date."""
        return Content(self.repo, self.branch, self.only[0] if self.only else "")

    def after(self, upstream: Upstream, receipt: Receipt, last: Delivered | None) -> Delivered:
        """With what was delivered now, and the receipts of before."""
        kept = last.receipts if last else ()
        if receipt.changed:
            kept = ({**receipt.as_json(), "at": self.at}, *kept)[:REMEMBERED]
        said = receipt.sentence()
        return replace(
            self, commit=upstream.commit, newest=upstream.newest, said=said, receipts=kept
        )


def widened(last: Delivered | None, content: Content) -> tuple[str, ...]:
    """The folders that the student has from now on: a link to week 4 leaves week 3 in place."""
    only = content.only.strip("/")
    if last is None or last.repo != content.repo:
        return (only,) if only else ()
    return tuple(sorted({*last.only, only})) if last.only and only else ()


def find_delivered(spec: SessionSpec, folder: str) -> Delivered | None:
    """The last delivery into the folder, or None when nothing is known."""
    return read(delivered_file(spec.home, folder))


def all_delivered(spec: SessionSpec) -> list[Delivered]:
    """Every folder of this home that was delivered into, the newest first."""
    return delivered_in(spec.home)


def delivered_in(home: Path) -> list[Delivered]:
    """The same, of a home whose session may not run yet."""
    return [one for one in notes_of(home) if one.folder]


def notes_of(home: Path) -> list[Delivered]:
    """What was brought, and under the folder without a name whose home it is."""
    begin = delivered_file(home, "").name.removesuffix(".json")
    try:
        names = os.listdir(home.parent)
    except FileNotFoundError:
        return []
    mine = [name for name in names if name.startswith(begin) and name.endswith(".json")]
    found = [read(home.parent / name) for name in mine]
    return sorted((one for one in found if one), key=lambda one: -one.at)


def check_course(home: Path, address: str) -> None:
    """Refuse a repository that has its folder's name in common with the one that the folder is of.

    Whoever looks long enough finds such an address, and sends a student a link to it. A course
    without content is its environment's repository.

    :raises FolderOfAnother: nothing of it may come into this home.
    """
    mine = plain_address(address)
    for one in notes_of(home):
        if course_name(one.repo) == home.name and plain_address(one.repo) != mine:
            raise FolderOfAnother(
                f"Your folder for {one.repo} has the name that a folder for {address} would have.",
                hint="Do not trust this link. If it is your course's, its teacher can give the "
                "repository another name.",
            )


def note_course(home: Path, address: str) -> None:
    """Remember whose home it is, where nothing is brought that would say so."""
    if not any(plain_address(one.repo) == plain_address(address) for one in notes_of(home)):
        write(home, Delivered("", address, "", (), time.time()))


def delivered_before(link: Link, spec: SessionSpec) -> list[Delivered]:
    """What the home has of the link's first content from earlier pulls."""
    repos = [content.repo for content in link.contents[:1]]
    return [one for one in all_delivered(spec) if one.repo in repos]


def folders_of(link: Link, spec: SessionSpec) -> tuple[str, ...]:
    """The folder of each content repository in this home: never one that another one has.

    Two repositories of one name come in with two links; the later gets another folder.
    """
    had = {one.folder: plain_address(one.repo) for one in all_delivered(spec)}
    found: dict[str, str] = {}
    for content, wanted in zip(link.contents, content_folders(link.contents), strict=True):
        mine = plain_address(content.repo)
        names = itertools.chain((wanted,), folder_names(content))
        name = next(
            name
            for name in names
            if name not in found
            and not any(
                clashes(name, mine, folder, owner) for folder, owner in (had | found).items()
            )
        )
        found[name] = mine
    return tuple(found)


def clashes(name: str, mine: str, folder: str, owner: str) -> bool:
    """Whether a folder is another repository's, or one is in the other."""
    if name == folder:
        return mine != owner
    return is_inside(name, folder) or is_inside(folder, name)


def record(spec: SessionSpec, delivered: Delivered) -> None:
    """Remember it; written at once or not at all."""
    write(spec.home, delivered)


def write(home: Path, delivered: Delivered) -> None:
    path = delivered_file(home, delivered.folder)
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    write_text(path, json.dumps(vars(delivered)), prefix=".delivered-")


def read(path: Path) -> Delivered | None:
    try:
        found = json.loads(path.read_text("utf-8"))
        return Delivered(
            **{**found, "only": tuple(found["only"]), "receipts": tuple(found["receipts"])}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def delivered_file(home: Path, folder: str) -> Path:
    name = folder.replace("%", "%25").replace("/", "%2F")
    if len(name.encode()) > 100:  # the longest name of a file is 255 bytes
        short = name.encode()[:60].decode("utf-8", "ignore")
        name = f"{short}-{hashlib.sha256(folder.encode()).hexdigest()[:12]}"
    return home.with_name(f".delivered-{home.name}-{name}.json")
