"""Copies of a prepared clone: modes, times, links, owners; filesystems that do not help."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.content.copying import CANNOT, copy_tree


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a.ipynb").write_text("{}")
    (source / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (source / "deep" / "run.sh").chmod(0o755)
    (source / "deep" / "er" / "data.bin").write_bytes(os.urandom(300_000))
    (source / "empty").touch()
    (source / "to a").symlink_to("a.ipynb")
    (source / "to nowhere").symlink_to("/nonexistent/x")
    (source / "to deep").symlink_to("deep")
    (source / "a.ipynb").chmod(0o640)
    for path in ("a.ipynb", "deep/run.sh", "deep/er", "deep", "."):
        os.utime(source / path, ns=(10**18, 10**18 + 12345))
    return source


def described(root: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for path in [root, *root.rglob("*")]:
        seen = path.lstat()
        what: object = None
        if path.is_symlink():
            what = os.readlink(path)
        elif path.is_file():
            what = path.read_bytes()
        times = None if path.is_symlink() else seen.st_mtime_ns
        found[str(path.relative_to(root))] = (seen.st_mode, times, what)
    return found


@pytest.mark.parametrize("number", [None, *CANNOT])
def test_a_copy_is_like_what_it_is_of(source, tmp_path, monkeypatch, number):
    if number is not None:

        def refuse(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_tree(str(source), str(tmp_path / "copy"), None)
    assert described(tmp_path / "copy") == described(source)


def test_a_filesystem_that_stops_helping_in_the_middle_loses_no_byte(source, tmp_path, monkeypatch):
    real, calls = os.copy_file_range, []

    def some(here, there, _count):
        calls.append(here)
        if len(calls) % 2:
            return real(here, there, 1000)
        raise OSError(errno.EINVAL, "no more")

    monkeypatch.setattr(os, "copy_file_range", some)
    copy_tree(str(source), str(tmp_path / "copy"), None)
    assert described(tmp_path / "copy") == described(source)


def test_a_kernel_that_says_a_file_ends_before_it_does_loses_no_byte(source, tmp_path, monkeypatch):
    """Some answer 0 for files of filesystems whose sizes are not known beforehand."""
    real, calls = os.copy_file_range, []

    def ends(here, there, _count):
        calls.append(here)
        return real(here, there, 1000) if len(calls) % 3 == 1 else 0

    monkeypatch.setattr(os, "copy_file_range", ends)
    copy_tree(str(source), str(tmp_path / "copy"), None)
    assert described(tmp_path / "copy") == described(source)


def test_a_full_disk_is_an_error_and_not_half_a_file(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="No space left"):
        copy_tree(str(source), str(tmp_path / "copy"), None)


def test_nobody_else_looks_in_before_it_is_whole(source, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "symlink", lambda *_: seen.append((tmp_path / "copy").stat().st_mode))
    copy_tree(str(source), str(tmp_path / "copy"), None)
    assert {mode & 0o777 for mode in seen} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_everything_is_the_student_s_and_keeps_its_mode(source, tmp_path):
    (source / "deep" / "run.sh").chmod(0o4755)
    copy_tree(str(source), str(tmp_path / "copy"), (1234, 2345))
    every = [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]
    assert {(one.lstat().st_uid, one.lstat().st_gid) for one in every} == {(1234, 2345)}
    assert (tmp_path / "copy" / "deep" / "run.sh").stat().st_mode & 0o7777 == 0o4755


def test_a_disk_that_takes_only_a_part_of_the_last_piece_is_an_error(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "data.bin").write_bytes(b"x" * 100_000)
    code = (
        "import os, resource, sys; from launcher.content.copying import copy_tree\n"
        "def refuse(*_): raise OSError(22, 'no')\n"
        "os.copy_file_range = refuse\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))\n"
        "copy_tree(sys.argv[1], sys.argv[2], None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "source"), str(tmp_path / "copy")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "File too large" in done.stderr, done
