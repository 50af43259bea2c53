"""Delivery: first a copy, then a reconcile inside; what the student wrote stays."""

import os
import subprocess

import pytest

from launcher.content.delivery import place_on_host
from launcher.content.shipping import ask_session
from launcher.errors import ContentFailed
from link_generator.content import Content
from link_generator.link import Link
from tests.git_server import Repo
from tests.launcher.content.test_listing import spoil


@pytest.fixture(params=[True, False], ids=["attached", "archive"])
def any_student(request, new_student, teacher):
    return new_student(attaches_folders=request.param)


def test_first_launch_gives_a_normal_clone(any_student, teacher):
    receipt = any_student.pull()
    commit = teacher.git("rev-parse", "HEAD").strip()
    assert any_student.files == ["a.txt", "b.txt"]
    assert any_student.git("rev-parse", "HEAD").strip() == commit
    assert any_student.git("status", "--porcelain") == ""
    assert any_student.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert any_student.git("remote", "get-url", "origin").strip() == any_student.url
    assert (receipt.before, receipt.after, receipt.new) == ("", commit, ("a.txt", "b.txt"))
    assert receipt.sentence() == "2 course files copied."
    assert not list(any_student.spec.home.glob(".new-*"))
    assert not list(any_student.spec.home.parent.glob(".new-*"))


def test_students_can_pull_with_git_themselves(any_student, teacher):
    any_student.pull()
    teacher.commit({"c.txt": "c\n"})
    any_student.git("pull", "--quiet")
    assert any_student.read("c.txt") == "c\n"
    assert any_student.git("status", "--porcelain") == ""
    assert any_student.pull().new == ()


def test_a_second_launch_brings_new_files_and_keeps_edits(any_student, teacher):
    any_student.pull()
    any_student.write("a.txt", "one\ntwo\nthree, mine\n")
    any_student.write("own.txt", "own\n")
    teacher.commit({"c.txt": "c\n", "b.txt": "b2\n", "a.txt": "ONE\ntwo\nthree\n"})
    receipt = any_student.pull()
    assert any_student.read("a.txt") == "ONE\ntwo\nthree, mine\n"
    assert any_student.read("b.txt") == "b2\n"
    assert any_student.read("own.txt") == "own\n"
    assert (receipt.new, receipt.updated, receipt.merged) == (("c.txt",), ("b.txt",), ("a.txt",))
    assert any_student.git("status", "--porcelain").split() == ["M", "a.txt", "??", "own.txt"]
    assert any_student.git("fsck", "--strict") == ""


def test_thousands_of_new_files_are_counted_and_the_first_are_named(student, teacher):
    student.pull()
    teacher.commit({f"week2/{'n' * 60}{number:04}.txt": "" for number in range(2500)})
    receipt = student.pull()
    assert receipt.sentence() == "2500 new files."
    assert 1000 < len(receipt.new) <= 2000
    assert receipt.as_json()["counts"]["new"] == 2500
    assert len(student.files) == 2502


def test_nothing_new_changes_nothing(any_student, teacher):
    any_student.pull()
    any_student.write("a.txt", "mine\n")
    before = {p: p.stat().st_mtime_ns for p in any_student.folder.rglob("*") if p.is_file()}
    receipt = any_student.pull()
    assert {p: p.stat().st_mtime_ns for p in any_student.folder.rglob("*") if p.is_file()} == before
    assert receipt.sentence() == "No new course files."


def test_the_class_is_copied_without_the_git_host(new_student, teacher, server):
    first = new_student("s1")
    first.pull()
    asked = len([r for r in server.requests if "git-upload-pack" in r and r.startswith("POST")])
    for number in range(5):
        new_student(f"student{number}").pull()
    now = len([r for r in server.requests if "git-upload-pack" in r and r.startswith("POST")])
    assert now - asked <= 5, "one question each, no fetch"


def test_students_never_share_a_writable_file(new_student, teacher):
    one, two = new_student("s1"), new_student("s22")
    one.pull()
    two.pull()
    for path in one.folder.rglob("*"):
        if path.is_file():
            assert path.stat().st_nlink == 1


def test_what_exists_is_never_replaced(student, teacher, tmp_path):
    student.folder.mkdir()
    (student.folder / "a.txt").write_text("mine from before\n")
    receipt = student.pull()
    assert student.read("a.txt") == "one\ntwo\nthree\n"
    ((_, moved),) = receipt.moved
    assert student.read(moved) == "mine from before\n"


@pytest.mark.parametrize("way", ["link", "dangling", "file"])
@pytest.mark.parametrize("began", [False, True], ids=["new", "returning"])
def test_what_stands_where_the_folder_belongs_is_moved_and_not_followed(
    any_student, teacher, tmp_path, way, began
):
    student, elsewhere = any_student, tmp_path / "elsewhere"
    if began:
        student.pull()
        student.write("a.txt", "mine\n")
        student.folder.rename(elsewhere)
    else:
        elsewhere.mkdir()
    before = sorted(os.listdir(elsewhere))
    if way == "file":
        student.folder.write_text("mine\n")
    else:
        student.folder.symlink_to(elsewhere if way == "link" else tmp_path / "nowhere")
    receipt = student.pull()
    ((old, moved),) = receipt.moved
    assert old == "course"
    assert receipt.touches_work
    assert student.read("a.txt") == "one\ntwo\nthree\n"
    assert not student.folder.is_symlink()
    assert sorted(os.listdir(elsewhere)) == before
    if way == "file":
        assert (student.spec.home / moved).read_text() == "mine\n"
    assert student.pull().moved == ()


def test_a_link_in_the_place_of_the_folder_above_is_moved_too(student, teacher, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (student.spec.home / "kurs").symlink_to(elsewhere)
    assert student.open(Link("e", repo=student.url, dir="kurs/a")) == ("kurs/a",)
    assert (student.spec.home / "kurs/a/a.txt").exists()
    assert os.listdir(elsewhere) == []


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gets into such a home")


@pytest.mark.parametrize(
    "what",
    [
        "course",
        "course/.git",
        "course/.git/objects",
        "course/d",
        pytest.param(".", marks=needs_root),
    ],
)
def test_who_took_their_own_rights_away_is_not_kept_out(any_student, teacher, what, monkeypatch):
    """As root, without what lets root read everything."""
    student = any_student
    teacher.commit({"d/x.txt": "x\n"})
    student.pull()
    student.write("a.txt", "one\ntwo\nthree\nmine\n")
    run = student.runtime.run
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.geteuid() else []
    monkeypatch.setattr(
        student.runtime, "run", lambda one, command, **more: run(one, [*plain, *command], **more)
    )
    subprocess.run(["chmod", "-R", "000", what], cwd=student.spec.home, check=True)
    teacher.commit({"d/x.txt": "x2\n", "new.txt": "new\n"})
    receipt = student.pull()
    assert receipt.new == ("new.txt",)
    assert student.read("a.txt") == "one\ntwo\nthree\nmine\n"
    assert student.read("d/x.txt") == "x2\n"
    assert student.git("status", "--porcelain", "a.txt") == " M a.txt\n"
    assert not [path for path in student.spec.home.rglob("*") if not path.stat().st_mode & 0o400]


def test_a_deleted_git_folder_loses_nothing_and_edits_stay_in_place(student, teacher):
    import shutil

    student.pull()
    student.write("a.txt", "one\ntwo\nthree\nmine\n")
    shutil.rmtree(student.folder / ".git")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n"})
    receipt = student.pull()
    assert student.read("a.txt") == "ONE\ntwo\nthree\nmine\n"
    assert receipt.merged == ("a.txt",)
    assert student.git("status", "--porcelain") == " M a.txt\n"


def test_an_image_without_python_is_a_sentence(student, teacher, monkeypatch):
    from launcher.runtimes.base import Completed

    student.pull()
    answer = Completed(127, b"", b"exec: python3: executable file not found in $PATH")
    monkeypatch.setattr(student.runtime, "run", lambda *_a, **_k: answer)
    with pytest.raises(ContentFailed) as caught:
        student.pull()
    assert "python3 and git" in caught.value.hint


def test_two_repositories_of_one_name_never_share_a_folder(new_student, teacher, tmp_path, server):
    student = new_student(attaches_folders=True)
    other = Repo.create(tmp_path / "served/else/course", {"a.txt": "of the other\n"})
    theirs = f"{server.url('else')}/course"
    assert other.folder.name == "course"
    assert student.open(Link("e", repo=student.url)) == ("course",)
    student.write("a.txt", "mine\n")
    both = Link("e", repo=student.url, more=(Content(theirs),))
    assert student.open(both) == ("course", "else-course")
    assert student.open(Link("e", repo=theirs)) == ("else-course",)
    assert student.read("a.txt") == "mine\n"
    assert (student.spec.home / "else-course/a.txt").read_text() == "of the other\n"
    # Whatever folder a link names, it is not one that another repository has, nor one in it.
    assert student.open(Link("e", repo=theirs, dir="course")) == ("course-2",)
    assert student.open(Link("e", repo=theirs, dir="course/sub")) == ("course-sub",)
    assert student.open(Link("e", repo=student.url, dir="course")) == ("course",)
    assert student.read("a.txt") == "mine\n"
    assert not (student.folder / "sub").exists()


def test_the_link_s_folder_is_where_the_content_goes(any_student, teacher):
    folder = "Kurs 1/übung #2"
    link = Link("e", repo=any_student.url, dir=folder, path="a.txt")
    assert any_student.open(link) == (folder,)
    assert link.target(folder) == "lab/tree/Kurs%201/%C3%BCbung%20%232/a.txt"
    place = any_student.spec.home / folder
    (place / "a.txt").write_text("mine\n")
    teacher.commit({"c.txt": "c\n"})
    assert any_student.open(link) == (folder,)
    assert (place / "a.txt").read_text() == "mine\n"
    assert (place / "c.txt").read_text() == "c\n"


@pytest.mark.parametrize("way", ["link", "file"])
def test_nothing_is_put_where_a_student_s_link_leads(new_student, teacher, tmp_path, way):
    student = new_student(attaches_folders=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    above = student.spec.home / "kurs"
    above.symlink_to(elsewhere) if way == "link" else above.write_text("mine")
    assert place_on_host(tmp_path, student.spec.home, "kurs/a") is False
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize("began", [False, True], ids=["new", "returning"])
def test_a_damaged_copy_on_the_host_costs_a_fetch_and_no_work(any_student, teacher, began):
    if began:
        any_student.pull()
        any_student.write("a.txt", "mine\n")
    teacher.commit({"c.txt": "c\n"})
    any_student.mirrors.refresh(any_student.url)
    spoil(any_student.mirrors)
    receipt = any_student.pull()
    assert any_student.read("c.txt") == "c\n"
    assert "c.txt" in receipt.new
    assert any_student.read("a.txt") == ("mine\n" if began else "one\ntwo\nthree\n")
    assert any_student.git("fsck", "--strict") == ""


@pytest.mark.slow
def test_taking_a_large_file_needs_little_memory(student, teacher, mirrors, monkeypatch):
    student.pull()
    teacher.commit({"large.dat": os.urandom(40_000_000)})
    upstream = mirrors.refresh(student.url, "")
    run = student.runtime.run
    limited = ["prlimit", "--as=50000000"]  # of each program
    monkeypatch.setattr(
        student.runtime, "run", lambda one, command, **more: run(one, [*limited, *command], **more)
    )
    request = {"folder": "course", "url": student.url, "commit": upstream.commit, "branch": "main"}
    packs = [mirrors.pack(upstream, None)]
    answer = ask_session(student.runtime, student.spec.id, request | {"action": "take"}, packs)
    assert answer == {"taken": True}


def test_a_session_without_the_memory_for_it_is_a_sentence(student, teacher, monkeypatch):
    from launcher.runtimes.base import Completed

    student.pull()
    monkeypatch.setattr(student.runtime, "run", lambda *_a, **_k: Completed(137, b"", b""))
    with pytest.raises(ContentFailed, match="too little memory") as caught:
        student.pull()
    assert "Stop it under My sessions" in caught.value.hint
