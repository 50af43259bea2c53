"""Data folders to take a backup of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher.database import Database
from launcher.homes.home import Homes
from launcher.links.short_links import ShortLinks
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.people.people import People, Role
from launcher.session import Limits, SessionSpec
from launcher.sessions.history import History
from link_generator.link import Link
from tests.launcher.backup.pictures import COURSE


@pytest.fixture
def data(tmp_path):
    """A data folder as a launcher leaves it, with what students do to their own folders."""
    data = tmp_path / "data"
    identity.load_secret(data)
    database = Database.of(data)
    people = People(database)
    people.add("ann", Role.INSTRUCTOR)
    ShortLinks(database).save("week-1", Link(env="gh/o/e", tag="v1"), who="ann")
    ShortLinks(database).save("week-1", Link(env="gh/o/e", tag="v2"), who="ann")
    Audit(database).note("ann", "link changed", "week-1")
    home = Homes(data / "homes").path("s1", COURSE)
    spec = SessionSpec(
        "ab" * 12, "s1", COURSE, "image", "/launch?env=x", "t", home, Limits(1, 1, 1)
    )
    History(database).started(spec)
    (home / "course/.git/objects").mkdir(parents=True)
    (home / "course/week1.ipynb").write_text("mine")
    (home / "course/run.sh").write_text("#!/bin/sh")
    (home / "course/run.sh").chmod(0o750)
    (home / "course/.git/objects/ab").write_bytes(os.urandom(3000))
    (home / "empty").mkdir()
    (home / "link").symlink_to("/etc/passwd")
    (home / "outside").symlink_to("/etc")
    Path(os.fsdecode(os.fsencode(home) + b"/caf\xe9.txt")).write_text("x")
    os.mkfifo(home / "pipe")
    home.with_name(f".delivered-{COURSE}-course.json").write_text("{}")
    for name in ("builds/channels.json", "content/mirrors/x/HEAD", "run/routes.json", "tmpabc"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    if os.geteuid() == 0:
        os.chown(home / "course/week1.ipynb", 1000, 1000)
    database.close()
    return data


@pytest.fixture
def holes(data):
    """Files that are far larger than what the disk holds of them."""
    home = data / "homes/s1" / COURSE
    with (home / "empty.bin").open("wb") as file:
        file.truncate(1 << 40)
    with (home / "caf\xe9.h5").open("wb") as file:
        file.write(b"begin")
        for at in (5 << 20, 1 << 33):
            file.seek(at)
            file.write(os.urandom(3 << 20))
        file.truncate((1 << 34) + 1)
    return home
