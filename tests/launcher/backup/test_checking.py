"""A backup that was cut off, damaged or made by hand is never taken for a good one."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from launcher.backup.backup import write_backup
from launcher.backup.checking import check_backup
from launcher.backup.errors import BadBackup, NotRestored
from launcher.backup.holes import sparse_headers
from launcher.backup.manifest import MANIFEST
from launcher.backup.restore import restore_backup
from tests.launcher.backup.pictures import row


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_backup_that_was_cut_off_is_never_taken_for_a_good_one(data, tmp_path, name):
    write_backup(data, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    cut, there = tmp_path / f"cut-{name}", tmp_path / "there"
    # Tar ends with empty blocks, of which a reader needs none
    ends = len(whole) - 1 if name.endswith("gz") else len(whole.rstrip(b"\0")) - 1
    steps = sorted({0, 1, 511, 512, 513, ends, *range(0, ends, max(1, ends // 40))})
    for length in steps:
        cut.write_bytes(whole[:length])
        with pytest.raises(BadBackup):
            check_backup(cut)
    for length in (steps[0], steps[len(steps) // 2], ends):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadBackup):
            restore_backup(cut, there)
        assert [one.name for one in there.iterdir()] == ["serve.lock"]


def test_a_bit_that_fell_over_is_found(data, tmp_path):
    write_backup(data, tmp_path / "b.tar")
    whole = bytearray((tmp_path / "b.tar").read_bytes())
    whole[whole.index(b"#!/bin/sh")] ^= 1
    (tmp_path / "b.tar").write_bytes(whole)
    with pytest.raises(BadBackup, match="run"):
        check_backup(tmp_path / "b.tar")
    with pytest.raises(BadBackup, match="run"):
        restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["serve.lock"]


def crafted(path: Path, *rows: tarfile.TarInfo):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for row in rows:
            tar.addfile(row, io.BytesIO(getattr(row, "content", b"x" * row.size)))
    return path


class WithContent(tarfile.TarInfo):
    """An entry that knows what is in it."""


def sparse(name: str, table: bytes):
    """A file of ten bytes with this map of its data."""
    made = WithContent(name)
    made.size = tarfile.BLOCKSIZE
    made.pax_headers = sparse_headers(10)
    made.content = table + bytes(tarfile.BLOCKSIZE - len(table))
    return made


@pytest.mark.parametrize(
    "rows",
    [
        [row("../evil")],
        [row("/tmp/evil")],
        [row("homes/../../evil")],
        [row("homes", tarfile.SYMTYPE, "/tmp"), row("homes/evil")],
        [row("a", tarfile.LNKTYPE, "/etc/passwd")],
        [row("a", tarfile.LNKTYPE, "../../secret")],
        [row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c/a")],
        [row("homes/s/c", tarfile.DIRTYPE), row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c")],
        [
            row("homes/s/c/l", tarfile.SYMTYPE, "/etc/passwd"),
            row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c/l"),
        ],
        [row("homes/s/c/a"), row("homes/s/d/a", tarfile.LNKTYPE, "homes/s/c/a")],
        [row("secret.key"), row("homes/s/c/a", tarfile.LNKTYPE, "secret.key")],
        [sparse("a", b"2\n0\n1\n0\n1\n")],
        [sparse("a", b"1\n-5\n1\n")],
        [sparse("a", b"1\n9\n2\n")],
        [sparse("a", b"x\n")],
        [row("a", tarfile.CHRTYPE)],
        [row("a"), row("a")],
        [row(MANIFEST), row("a")],
        [row(MANIFEST)],
        [row("a")],
        [],
    ],
)
def test_a_tar_that_somebody_made_by_hand_gets_nowhere(tmp_path, rows):
    there = tmp_path / "below/there"
    there.parent.mkdir()
    file = crafted(tmp_path / "b.tar", *rows)
    with pytest.raises((BadBackup, NotRestored)):
        restore_backup(file, there)
    assert [one.name for one in there.iterdir()] == ["serve.lock"]
    assert [one.name for one in there.parent.iterdir()] == ["there"]
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    "content", [b"", b"text", gzip.compress(b"text", mtime=0), b"\x1f\x8b\x08"]
)
def test_what_is_no_tar_is_said_in_a_sentence(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadBackup, match="no whole backup"):
        check_backup(tmp_path / "b")
    with pytest.raises(BadBackup, match="cannot be read"):
        check_backup(tmp_path / "nothing")
