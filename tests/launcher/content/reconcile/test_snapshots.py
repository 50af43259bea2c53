"""Undo: what a pull changed is kept first, can be looked at, and comes back."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from launcher.content.reconcile.__main__ import run
from launcher.content.reconcile.snapshots import LONGEST_LINE, ids
from launcher.content.reconcile.work import Work


def act(mine, action, **words):
    return run([json.dumps({"action": action, "folder": str(mine.folder), **words})])


def snapshots(mine):
    return act(mine, "snapshots")["snapshots"]


def notebook(*sources):
    cells = [
        {"cell_type": "markdown", "id": f"c{number}", "metadata": {}, "source": source}
        for number, source in enumerate(sources)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_pull_that_changes_nothing_leaves_no_snapshot(mine):
    mine.write("a.txt", "mine\n")
    mine.pull()
    assert snapshots(mine) == []


def test_a_snapshot_holds_only_what_the_pull_touched(mine, teacher):
    mine.write("a.txt", "one\ntwo\nthree\nmine\n")
    mine.write("own.txt", "own\n")
    teacher.git("rm", "-q", "b.txt")
    teacher.commit({"a.txt": "zero\none\ntwo\nthree\n", "new.txt": "new\n"})
    receipt = mine.pull()
    (only,) = snapshots(mine)
    assert sorted(only["names"]) == ["a.txt", "b.txt"]
    assert only["reason"] == "before an update"
    assert only["size"] == len("one\ntwo\nthree\nmine\n") + len("b\n")
    assert receipt.snapshot == only["id"]
    assert mine.settled()
    assert len(snapshots(mine)) == 1


def test_in_place_brings_the_old_files_back_and_can_itself_be_undone(mine, teacher):
    mine.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.git("rm", "-q", "b.txt")
    teacher.commit({"a.txt": "zero\none\ntwo\nthree\n"})
    first = mine.pull().snapshot
    merged = mine.read("a.txt")
    answer = act(mine, "restore", id=first, in_place=True)["restored"]
    assert sorted(answer["restored"]) == [("a.txt", "a.txt"), ("b.txt", "b.txt")]
    assert mine.read("a.txt") == "one\ntwo\nthree\nmine\n"
    assert mine.read("b.txt") == "b\n"
    mine.pull()
    assert mine.read("a.txt") == "one\ntwo\nthree\nmine\n"  # theirs now, so it stays
    act(mine, "restore", id=answer["snapshot"], in_place=True)
    assert mine.read("a.txt") == merged


def test_as_a_copy_nothing_present_changes(mine, teacher):
    mine.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.commit({"a.txt": "zero\none\ntwo\nthree\n"})
    name = mine.pull().snapshot
    before = mine.read("a.txt")
    ((path, copy),) = act(mine, "restore", id=name, path="a.txt")["restored"]["restored"]
    assert path == "a.txt"
    assert copy.startswith("a (before ")
    assert mine.read(copy) == "one\ntwo\nthree\nmine\n"
    assert mine.read("a.txt") == before


def test_a_file_that_was_moved_aside_comes_back_from_where_it_is(mine, teacher):
    mine.write("extra.txt", "the student's own\n")
    teacher.commit({"extra.txt": "the teacher's\n"})
    receipt = mine.pull()
    ((_, aside),) = receipt.moved
    mine.write(aside, "the student's own, later\n")
    act(mine, "restore", id=receipt.snapshot, in_place=True)
    assert mine.read("extra.txt") == "the student's own, later\n"
    assert mine.read(aside) == "the student's own, later\n"


def test_a_preview_cuts_a_line_without_end(mine, teacher):
    teacher.commit({"a.txt": "x" * 5000 + "\nshort\n"})
    mine.pull()
    teacher.commit({"a.txt": "y" * 5000 + "\nshort\n"})
    name = mine.pull().snapshot
    lines = act(mine, "preview", id=name, path="a.txt")["preview"]["diff"]
    assert [line[:2] for line in lines if len(line) > 100] == ["-y", "+x"]
    assert {len(line) for line in lines if len(line) > 100} == {LONGEST_LINE + 1}
    assert " short" in lines


def test_a_preview_reads_no_file_of_another_size(mine, teacher, monkeypatch):
    teacher.commit({"a.txt": "zero\none\ntwo\nthree\n", "b.txt": "c\n"})
    name, looked, look = mine.pull().snapshot, [], Work.look

    def counted(work, path):
        looked.append(path)
        return look(work, path)

    monkeypatch.setattr(Work, "look", counted)
    found = act(mine, "preview", id=name)["preview"]["files"]
    assert {one["name"]: one["state"] for one in found} == {"a.txt": "changed", "b.txt": "changed"}
    assert looked == [b"b.txt"]
    mine.write("b.txt", "b\n")
    mine.folder.joinpath("a.txt").unlink()
    found = act(mine, "preview", id=name)["preview"]["files"]
    assert {one["name"]: one["state"] for one in found} == {"a.txt": "missing", "b.txt": "same"}


def test_a_preview_says_what_would_come_back(mine, teacher):
    teacher.commit({"n.ipynb": notebook("one", "two")})
    mine.pull()
    teacher.commit({"n.ipynb": notebook("one", "three"), "b.txt": "new b\n"})
    name = mine.pull().snapshot
    found = act(mine, "preview", id=name)["preview"]
    assert {one["path"]: one["state"] for one in found["files"]} == {
        "b.txt": "changed",
        "n.ipynb": "changed",
    }
    lines = act(mine, "preview", id=name, path="n.ipynb")["preview"]["diff"]
    assert "-three" in lines
    assert "+two" in lines
    (mine.folder / "b.txt").unlink()
    assert "missing" in str(act(mine, "preview", id=name))


def test_starting_a_file_over_keeps_the_students_beside(mine):
    mine.write("a.txt", "spoilt\n")
    ((name, aside),) = act(mine, "start_over", path="a.txt")["started_over"]["moved"]
    assert (name, mine.read("a.txt")) == ("a.txt", "one\ntwo\nthree\n")
    assert mine.read(aside) == "spoilt\n"
    assert act(mine, "start_over", path="a.txt")["started_over"]["moved"] == []
    assert mine.settled()


def test_a_missing_file_can_be_started_over(mine):
    (mine.folder / "a.txt").unlink()
    assert act(mine, "start_over", path="a.txt")["started_over"]["moved"] == []
    assert mine.read("a.txt") == "one\ntwo\nthree\n"


@pytest.mark.parametrize("path", ["nothing.txt", "../a.txt", ".git/config", "", "/etc/passwd"])
def test_only_course_files_can_be_started_over(mine, path):
    assert "not one of the course files" in act(mine, "start_over", path=path)["error"]


def test_names_of_snapshots_reach_no_other_folder(mine):
    for name in ("../../..", "..", "20200101-000000", ""):
        assert "There is no snapshot" in act(mine, "restore", id=name, in_place=True)["error"]


def test_a_folder_that_was_never_pulled_says_so(tmp_path):
    answer = run([json.dumps({"action": "snapshots", "folder": str(tmp_path)})])
    assert "no course files" in answer["error"]


def test_odd_names_and_links_come_back(mine, teacher):
    odd = b"\xff q\"\n'.txt"
    teacher.commit({os.fsdecode(odd): "old\n"})
    (teacher.folder / "link").symlink_to("a.txt")
    teacher.commit({})
    mine.pull()
    (teacher.folder / "link").unlink()
    (teacher.folder / "link").symlink_to("b.txt")
    teacher.commit({os.fsdecode(odd): "new\n"})
    name = mine.pull().snapshot
    act(mine, "restore", id=name, in_place=True)
    assert (mine.folder / os.fsdecode(odd)).read_text() == "old\n"
    assert os.readlink(mine.folder / "link") == "a.txt"


def test_nothing_is_written_through_a_students_link(mine, teacher, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.txt").write_text("shared\n")
    teacher.commit({"d/x.txt": "new x\n"})
    name = mine.pull().snapshot
    shutil.rmtree(mine.folder / "d")
    (mine.folder / "d").symlink_to(elsewhere)
    for in_place in (True, False):
        act(mine, "restore", id=name, in_place=in_place)
        act(mine, "start_over", path="d/x.txt")
    assert [path.read_text() for path in elsewhere.iterdir()] == ["shared\n"]


def test_they_survive_damage_of_the_git_folder(mine, teacher):
    teacher.commit({"a.txt": "new\n"})
    name = mine.pull().snapshot
    shutil.rmtree(mine.folder / ".git/objects")
    (mine.folder / ".git/objects").write_text("rubbish")
    mine.pull()
    assert name in [one["id"] for one in snapshots(mine)]


def test_old_ones_are_forgotten_by_number_and_age_but_never_the_newest(mine, teacher):
    for number in range(4):
        teacher.commit({"a.txt": f"{number}\n"})
        mine.pull()
    git = os.fsencode(mine.folder / ".git")
    found = ids(git)
    assert len(found) == 4
    teacher.commit({"a.txt": "again\n"})
    mine.pull(snapshots=2)
    assert len(ids(git)) == 2
    assert found[-1] not in ids(git)
    mine.pull(snapshot_days=0.0)
    assert len(ids(git)) == 1


def test_a_pull_killed_at_any_moment_leaves_all_that_it_had_changed(mine, teacher):
    """The program is ended before one of its renames; every old byte is still to be had."""
    files = {f"f{number}.txt": f"old {number}\n" for number in range(6)}
    teacher.commit(files)
    mine.pull()
    teacher.commit(dict.fromkeys(files, "new\n"))
    code = (
        "import os, sys\n"
        "real, left = os.replace, int(sys.argv[1])\n"
        "def replace(*a, **k):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if left < 0: os._exit(9)\n"
        "    return real(*a, **k)\n"
        "os.replace = replace\n"
        "from launcher.__main__ import main\n"
        "sys.exit(main(['pull', sys.argv[2], sys.argv[3]]))\n"
    )
    for left in (0, 3, 1):
        done = subprocess.run(
            [sys.executable, "-c", code, str(left), mine.url, str(mine.folder)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 9, done.stderr
    mine.pull()
    assert all(mine.read(name) == "new\n" for name in files)
    for one in reversed(snapshots(mine)):
        act(mine, "restore", id=one["id"], in_place=True)
    for name, text in files.items():
        assert mine.read(name) == text
