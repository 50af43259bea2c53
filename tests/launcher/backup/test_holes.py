"""Files with holes cost what they hold, in the backup and after it."""

from __future__ import annotations

import os
import subprocess
import tarfile

import pytest

from launcher.backup import taking
from launcher.backup.backup import write_backup
from launcher.backup.checking import entries_of
from launcher.backup.holes import RowWithHoles, sparse_headers
from launcher.backup.restore import restore_backup
from tests.launcher.backup.pictures import row, shape


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_holes_cost_nothing_and_come_back_as_holes(data, holes, tmp_path, name):
    made = write_backup(data, tmp_path / name)
    assert made.notes == []
    assert made.size < 10 << 20
    assert (tmp_path / name).stat().st_size < 10 << 20
    restore_backup(tmp_path / name, tmp_path / "there")
    for path in (holes / "empty.bin", holes / "caf\xe9.h5"):
        back = tmp_path / "there" / path.relative_to(data)
        assert shape(back) == shape(path)
        assert len(shape(path)[1]) == (3 if path.suffix == ".h5" else 0)
        assert back.stat().st_blocks * 512 < 10 << 20


def test_other_programs_read_files_with_holes(data, holes, tmp_path):
    write_backup(data, tmp_path / "b.tar")
    there = tmp_path / "there"
    there.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "b.tar"), "-C", str(there)], check=True)
    path = holes / "caf\xe9.h5"
    assert shape(there / path.relative_to(data)) == shape(path)


def test_a_file_with_holes_that_shrinks_while_it_is_read_spoils_nothing(
    data, holes, tmp_path, monkeypatch
):
    copied, path = taking.copied_parts, holes / "caf\xe9.h5"

    def shrinking(source, target, parts, size):
        if path.stat().st_size == size > 6 << 20:
            os.truncate(path, 6 << 20)
        return copied(source, target, parts, size)

    monkeypatch.setattr(taking, "copied_parts", shrinking)
    assert write_backup(data, tmp_path / "b.tar").notes == [], "it was read again"
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert shape(tmp_path / "there" / path.relative_to(data)) == shape(path)


def test_a_file_with_holes_that_always_grows_is_noted_and_spoils_nothing(
    data, holes, tmp_path, monkeypatch
):
    segments, path = taking.segments, holes / "empty.bin"
    name = str(path.relative_to(data))

    def growing(handle, found):
        if found.st_ino == path.stat().st_ino:
            with path.open("r+b") as file:
                file.seek(found.st_size + (1 << 20))
                file.write(b"more")
                file.truncate(found.st_size + (1 << 22))  # again with a hole at its end
        return segments(handle, found)

    monkeypatch.setattr(taking, "segments", growing)
    made = write_backup(data, tmp_path / "b.tar")
    assert made.notes == [f"{name}: it changed while it was read"]
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    size, parts = shape(tmp_path / "there" / name)
    assert 1 << 40 < size < path.stat().st_size
    assert [content.rstrip(b"\0") for _, _, content in parts] == [b"more"] * 2, "the last look's"


def test_a_file_with_holes_may_have_more_data_than_a_number_of_a_tar(tmp_path):
    data, file = 9 << 30, tmp_path / "b.tar"
    big = RowWithHoles("caf\xe9.h5")
    big.size, big.pax_headers = data + tarfile.BLOCKSIZE, sparse_headers(2 * data)
    with file.open("wb") as out:
        out.write(big.tobuf(tarfile.PAX_FORMAT))
        out.write(f"1\n{data}\n{data}\n".encode().ljust(tarfile.BLOCKSIZE, b"\0"))
        out.seek(data, os.SEEK_CUR)
        out.write(row("after").tobuf(tarfile.PAX_FORMAT))
        out.write(b"x".ljust(3 * tarfile.BLOCKSIZE, b"\0"))
    with entries_of(file) as (tar, _):
        first, after = tar.next(), tar.next()
        assert (first.name, first.size, first.sparse) == ("caf\xe9.h5", 2 * data, [(data, data)])
        assert tar.extractfile(after).read() == b"x"
    listed = subprocess.check_output(["tar", "-tvf", str(file)], text=True).splitlines()
    assert [line.split()[2] for line in listed] == [str(2 * data), "1"]


def test_such_a_number_stands_in_the_header_of_a_whole_backup(data, holes, tmp_path, monkeypatch):
    monkeypatch.setattr("launcher.backup.holes.OCTAL", 1)
    write_backup(data, tmp_path / "b.tar.gz")
    restore_backup(tmp_path / "b.tar.gz", tmp_path / "there")
    for path in (holes / "empty.bin", holes / "caf\xe9.h5"):
        assert shape(tmp_path / "there" / path.relative_to(data)) == shape(path)
