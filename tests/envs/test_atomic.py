"""A file is whole or not there, whoever writes it at the same time and whatever goes wrong."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envs.atomic import write_text, writing
from envs.records import Records


@pytest.fixture
def file(tmp_path):
    return tmp_path / "note.json"


def alone(file):
    return [one.name for one in file.parent.iterdir()] == [file.name]


def test_of_many_who_write_at_once_one_is_last_and_none_breaks_another(file):
    texts = [str(number) * 100_000 for number in range(10)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_text(file, text), texts * 5))
    assert file.read_text() in texts
    assert alone(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_packages_of_an_image_are_kept_by_two_who_build_its_commit_at_once(tmp_path):
    records, text = Records(tmp_path), "six==1\n" * 20_000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: records.keep_lock("r", f"env/a:1-{n}", text), range(100)))
    assert records.lock("r", "env/a:1-x") == text


def test_what_fails_leaves_the_file_as_it_was(file, monkeypatch):
    write_text(file, "before")

    def fail():
        with writing(file) as opened:
            opened.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    monkeypatch.setattr("envs.atomic.os.fsync", lambda handle: os.stat("/no/such"))
    with pytest.raises(FileNotFoundError):
        write_text(file, "not on the disk", durable=True)
    assert file.read_text() == "before"
    assert alone(file)


def test_one_that_may_not_be_replaced_stays(file):
    write_text(file, "first", replace=False)
    with pytest.raises(FileExistsError):
        write_text(file, "second", replace=False)
    assert file.read_text() == "first"
    assert alone(file)


def test_a_durable_file_is_on_the_disk_before_its_name_is_and_then_its_name(file, monkeypatch):
    did, fsync, replace = [], os.fsync, os.replace

    def synced(handle):  # other threads of this process write files too
        fsync(handle)
        opened = os.fstat(handle)
        if os.path.samestat(opened, file.parent.stat()):
            did.append("folder")
        elif Path(os.readlink(f"/proc/self/fd/{handle}")).parent == file.parent:
            did.append(opened.st_size)

    def replaced(made, target):
        replace(made, target)
        if target == file:
            did.append("name")

    monkeypatch.setattr("envs.atomic.os.fsync", synced)
    monkeypatch.setattr("envs.atomic.os.replace", replaced)
    write_text(file, "four", durable=True)
    assert did == [4, "name", "folder"]
    write_text(file, "five!")
    assert did[3:] == ["name"], "what can be said again costs no wait"
