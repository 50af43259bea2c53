"""The rules of a pull, one promise each; every case ends settled."""

import os
import shutil
import threading

import pytest

from launcher.content.reconcile import pull as reconcile
from launcher.errors import ContentFailed, ContentNotFound, UnknownBranch
from tests.git_server import Repo


def test_untouched_files_follow_the_teacher(mine, teacher):
    teacher.git("rm", "-q", "b.txt")
    teacher.commit({"a.txt": "new\n", "e/f/g.txt": "g\n"})
    receipt = mine.pull()
    assert mine.files == ["a.txt", "d/x.txt", "e/f/g.txt", "p.bin"]
    assert mine.read("a.txt") == "new\n"
    assert (receipt.updated, receipt.new, receipt.removed) == (
        ("a.txt",),
        ("e/f/g.txt",),
        ("b.txt",),
    )
    assert mine.status == []
    assert mine.settled()


def test_clashing_lines_keep_the_students_with_the_teachers_beside(mine, teacher):
    mine.write("a.txt", "one\nmine\nthree\n")
    teacher.commit({"a.txt": "one\nteacher's\nthree\n"})
    ((name, beside),) = mine.pull().kept
    assert name == "a.txt"
    assert mine.read("a.txt") == "one\nmine\nthree\n"
    assert mine.read(beside) == "one\nteacher's\nthree\n"
    assert beside.startswith("a (teacher ")
    assert beside.endswith(").txt")
    assert mine.settled()


def test_a_binary_changed_by_both_keeps_the_students(mine, teacher):
    mine.write("p.bin", b"\0mine")
    teacher.commit({"p.bin": b"\0theirs"})
    ((_, beside),) = mine.pull().kept
    assert (mine.folder / "p.bin").read_bytes() == b"\0mine"
    assert (mine.folder / beside).read_bytes() == b"\0theirs"
    assert mine.settled()


@pytest.mark.parametrize("name", ["data[1].csv", "week?.txt", ":(top)a.txt", " lead", 'q"\n\tü'])
@pytest.mark.parametrize("staged", [False, True])
def test_deleted_files_come_back_and_neighbours_stay(mine, teacher, name, staged):
    teacher.commit({name: "odd\n", "data1.csv": "1\n"})
    mine.pull()
    mine.write("data1.csv", "edited\n")
    mine.git("--literal-pathspecs", "rm", "-q", "--", name) if staged else os.unlink(
        mine.folder / name
    )
    receipt = mine.pull()
    assert mine.read(name) == "odd\n"
    assert mine.read("data1.csv") == "edited\n"
    assert len(receipt.restored) == 1
    assert mine.status == [" M data1.csv"]
    assert mine.settled()


def test_a_name_that_is_no_text_works(mine, teacher):
    odd = os.fsencode(teacher.folder) + b"/caf\xe9.txt"
    with open(odd, "wb") as file:
        file.write(b"1")
    teacher.commit({})
    mine.pull()
    path = os.fsencode(mine.folder) + b"/caf\xe9.txt"
    with open(path, "wb") as file:
        file.write(b"mine")
    with open(odd, "wb") as file:
        file.write(b"2")
    teacher.commit({})
    ((name, _),) = mine.pull().kept
    assert name == "caf\\xe9.txt"
    assert mine.settled()


def test_own_file_in_the_way_is_moved_to_a_free_name(mine, teacher):
    mine.write("new.txt", "mine\n")
    teacher.commit({"new.txt": "theirs\n"})
    ((_, first),) = mine.pull().moved
    assert (mine.read("new.txt"), mine.read(first)) == ("theirs\n", "mine\n")
    mine.write("again.txt", "mine, too\n")
    teacher.commit({"again.txt": "theirs\n", first.replace("new", "again"): "taken\n"})
    ((_, second),) = mine.pull().moved
    assert second != first.replace("new", "again")
    assert mine.read(second) == "mine, too\n"
    assert mine.settled()


def test_own_file_of_the_same_content_is_not_moved(mine, teacher):
    mine.write("new.txt", "same\n")
    teacher.commit({"new.txt": "same\n"})
    assert mine.pull().moved == ()
    assert "new.txt" in mine.files
    assert len([name for name in mine.files if name.startswith("new")]) == 1


def test_own_folder_or_file_where_upstream_has_the_other(mine, teacher):
    mine.write("thing/work.txt", "w\n")
    mine.write("other", "o\n")
    teacher.commit({"thing": "file\n", "other/in.txt": "in\n"})
    moved = dict(mine.pull().moved)
    assert mine.read("thing") == "file\n"
    assert mine.read(moved["thing"] + "/work.txt") == "w\n"
    assert mine.read("other/in.txt") == "in\n"
    assert mine.read(moved["other"]) == "o\n"
    assert mine.settled()


def test_nothing_is_written_through_a_students_link(mine, teacher, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "x.txt").write_text("shared\n")
    (mine.folder / "data").symlink_to(shared)
    teacher.commit({"data/x.txt": "course\n"})
    mine.pull()
    assert (shared / "x.txt").read_text() == "shared\n"
    assert os.listdir(shared) == ["x.txt"]
    assert mine.read("data/x.txt") == "course\n"
    assert mine.settled()


def test_deleted_upstream_but_edited_is_kept(mine, teacher):
    mine.write("b.txt", "mine\n")
    teacher.git("rm", "-q", "b.txt")
    teacher.commit({})
    assert mine.pull().kept == (("b.txt", ""),)
    assert mine.read("b.txt") == "mine\n"
    assert mine.settled()


def test_an_edited_file_that_becomes_a_folder_is_said_once(mine, teacher):
    mine.write("b.txt", "mine\n")
    teacher.git("rm", "-q", "b.txt")
    teacher.commit({"b.txt/in": "in\n"})
    receipt = mine.pull()
    ((_, moved),) = receipt.moved
    assert mine.read(moved) == "mine\n"
    assert receipt.kept == (), "it is not there any more"
    assert mine.settled()


def test_file_becomes_folder_and_back_and_link(mine, teacher):
    teacher.git("rm", "-q", "b.txt", "d/x.txt")
    (teacher.folder / "link").symlink_to("a.txt")
    teacher.commit({"b.txt/in": "in\n", "d": "now a file\n"})
    mine.pull()
    assert mine.read("b.txt/in") == "in\n"
    assert mine.read("d") == "now a file\n"
    assert os.readlink(mine.folder / "link") == "a.txt"
    assert mine.status == []
    assert mine.settled()


def test_line_ends_are_no_conflict(mine, teacher):
    mine.write("a.txt", "one\r\ntwo\r\nthree\r\nmine\r\n")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n"})
    assert mine.pull().kept == ()
    assert (mine.folder / "a.txt").read_bytes() == b"ONE\r\ntwo\r\nthree\r\nmine\r\n"
    assert mine.settled()


def test_executable_bits_merge_three_ways(mine, teacher):
    os.chmod(teacher.folder / "a.txt", 0o755)
    teacher.commit({})
    os.chmod(mine.folder / "b.txt", 0o755)
    mine.pull()
    assert os.access(mine.folder / "a.txt", os.X_OK)
    assert os.access(mine.folder / "b.txt", os.X_OK)
    teacher.commit({"b.txt": "b2\n"})
    mine.pull()
    assert os.access(mine.folder / "b.txt", os.X_OK)
    assert mine.settled()


def test_read_only_files_are_updated(mine, teacher):
    os.chmod(mine.folder / "a.txt", 0o444)
    teacher.commit({"a.txt": "new\n"})
    mine.pull()
    assert mine.read("a.txt") == "new\n"


@pytest.mark.parametrize("rewrite", ["amend", "older", "orphan"])
def test_rewritten_history_is_no_special_case(mine, teacher, rewrite):
    teacher.commit({"bad.txt": "withdrawn\n", "a.txt": "typo\n"})
    mine.pull()
    mine.write("b.txt", "mine\n")
    if rewrite == "amend":
        teacher.git("rm", "-q", "bad.txt")
        (teacher.folder / "a.txt").write_text("right\n")
        teacher.git("commit", "-aq", "--amend", "-m", "again")
    elif rewrite == "older":
        teacher.git("reset", "-q", "--hard", "HEAD~1")
    else:
        teacher.git("checkout", "-q", "--orphan", "fresh")
        teacher.git("rm", "-q", "bad.txt", "-f")
        teacher.git("commit", "-aqm", "orphan")
        teacher.git("branch", "-M", "fresh", "main")
    mine.pull()
    assert "bad.txt" not in mine.files
    assert mine.read("a.txt") == (teacher.folder / "a.txt").read_text()
    assert mine.read("b.txt") == "mine\n"
    assert mine.status == [" M b.txt"]
    assert mine.settled()


def test_branches_tags_and_commits_can_follow_each_other(mine, teacher):
    first = teacher.git("rev-parse", "HEAD").strip()
    teacher.git("tag", "-a", "v1", "-m", "v1")
    teacher.git("checkout", "-q", "-b", "feature/x")
    second = teacher.commit({"a.txt": "feature\n"})
    mine.write("b.txt", "mine\n")
    for branch, commit, head in (
        ("feature/x", second, "refs/heads/feature/x"),
        ("v1", first, ""),
        ("v1", first, ""),
        (second, second, ""),
        ("main", first, "refs/heads/main"),
    ):
        mine.pull(branch)
        assert mine.git("rev-parse", "HEAD").strip() == commit
        found = mine.git("rev-parse", "--symbolic-full-name", "HEAD").strip()
        assert found == (head or "HEAD")
        assert mine.read("a.txt") == ("feature\n" if commit == second else "one\ntwo\nthree\n")
        assert mine.status == [" M b.txt"]


def test_a_renamed_default_branch_is_followed(mine, teacher):
    teacher.git("branch", "-m", "main", "trunk")
    teacher.commit({"c.txt": "c\n"})
    mine.pull()
    assert mine.read("c.txt") == "c\n"
    assert mine.git("symbolic-ref", "--short", "HEAD").strip() == "trunk"


def test_a_moved_repository_becomes_the_origin(mine, teacher, server):
    mine.write("b.txt", "mine\n")
    shutil.move(teacher.folder, server.root / "moved")
    Repo(server.root / "moved").commit({"c.txt": "c\n"})
    mine.url = server.url("moved")
    mine.pull()
    assert mine.read("c.txt") == "c\n"
    assert mine.git("remote", "get-url", "origin").strip() == mine.url
    assert mine.settled()


def test_own_commits_stay_reachable(mine, teacher):
    mine.write("b.txt", "mine\n")
    mine.git("commit", "-qam", "own work")
    own = mine.git("rev-parse", "HEAD").strip()
    mine.git("checkout", "-q", "-b", "side")
    mine.write("side.txt", "s\n")
    mine.git("add", ".")
    mine.git("commit", "-qm", "side work")
    side = mine.git("rev-parse", "HEAD").strip()
    mine.git("checkout", "-q", "--detach")
    upstream = teacher.commit({"c.txt": "c\n"})
    receipt = mine.pull()
    assert any("commits are kept" in note for note in receipt.notes)
    everything = mine.git("rev-list", "--all").split()
    assert {own, side} <= set(everything)
    assert mine.git("rev-parse", "main").strip() == upstream
    assert mine.status == [" M b.txt", "?? side.txt"]
    assert mine.settled()


def test_staged_content_stays_reachable(mine, teacher):
    mine.write("b.txt", "staged version\n")
    mine.git("add", "b.txt")
    blob = mine.git("rev-parse", ":b.txt").strip()
    mine.write("b.txt", "later version\n")
    teacher.commit({"c.txt": "c\n"})
    mine.pull()
    assert mine.read("b.txt") == "later version\n"
    assert blob in mine.git("rev-list", "--objects", "--all")
    assert mine.settled()


def test_a_merge_that_stopped_half_way_leaves_no_marks(mine, teacher):
    mine.write("a.txt", "one\nmine\nthree\n")
    mine.git("commit", "-qam", "mine")
    teacher.commit({"a.txt": "one\ntheirs\nthree\n"})
    with pytest.raises(Exception, match="returned non-zero"):
        mine.git("pull", "-q", "--no-rebase", "--unshallow")
    assert "<<<<" in mine.read("a.txt")
    receipt = mine.pull()
    assert mine.read("a.txt") == "one\nmine\nthree\n"
    assert any("half-merged" in note for note in receipt.notes)
    assert not (mine.folder / ".git/MERGE_HEAD").exists()
    assert mine.settled()


@pytest.mark.parametrize(
    "damage",
    [
        "HEAD",
        "index",
        "config",
        "packed-refs",
        "objects",
        "refs",
        "everything",
        "file",
        "gone",
        "base",
    ],
)
def test_damaged_git_data_is_mended(mine, teacher, damage):
    mine.write("b.txt", "mine\n")
    git = mine.folder / ".git"
    if damage in ("HEAD", "index", "config", "packed-refs"):
        (git / damage).write_bytes(b"\0\0garbage")
    elif damage in ("objects", "refs"):
        shutil.rmtree(git / damage)
    elif damage == "base":
        (git / "refs/launcher").mkdir()
        (git / "refs/launcher/base").write_text("")
    else:
        shutil.rmtree(git)
        if damage == "everything":
            git.mkdir()
        if damage == "file":
            git.write_text("gitdir: /nowhere\n")
    teacher.commit({"a.txt": "new\n"})
    mine.pull()
    assert mine.read("a.txt") == "new\n"
    assert "mine\n" in [mine.read(name) for name in mine.files if name.startswith("b")]
    assert mine.settled()


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "7", "{}", "\u00fc", '[1, ["a"], ["a", 2], [[["a"]], "b"]]'),
        pytest.param("[" * 900_000, id="deep"),
        pytest.param('["%s"]' % ("x" * 2_000_000), id="long"),
    ],
)
def test_a_note_of_ours_that_is_damaged_holds_no_pull_up(mine, teacher, text):
    mine.pull()
    mine.write(".git/launcher-aside", text)
    teacher.commit({"new.txt": "new\n"})
    assert mine.pull().moved == ()
    assert mine.read("new.txt") == "new\n"
    assert not (mine.folder / ".git/launcher-aside").exists()


def test_a_folder_in_place_of_a_note_of_ours_holds_no_pull_up(mine, teacher):
    mine.write(".git/launcher-aside/x", "x")
    teacher.commit({"new.txt": "new\n"})
    assert mine.pull().moved == ()
    assert mine.read("new.txt") == "new\n"


@pytest.mark.parametrize("way", ["folder", "link"])
def test_nor_where_the_note_is_to_be_written(mine, tmp_path, way):
    note, own = mine.folder / ".git/launcher-aside", tmp_path / "own.txt"
    own.write_text("mine\n")
    note.mkdir() if way == "folder" else note.symlink_to(own)
    git = reconcile.Git(os.fsencode(mine.folder))
    moved = [["course", "course (yours)"]]
    assert reconcile.remembered(git, moved) == moved
    assert own.read_text() == "mine\n"
    assert reconcile.remembered(git, []) == (moved if way == "link" else [])


def test_stale_locks_are_removed(mine, teacher):
    (mine.folder / ".git/refs/heads").mkdir()
    names = ("index", "HEAD", "refs/heads/main", "packed-refs", "shallow", "config")
    for name in names:
        (mine.folder / f".git/{name}.lock").touch()
    teacher.commit({"a.txt": "new\n"})
    mine.pull()
    assert mine.settled()


def test_hooks_filters_and_settings_of_the_student_are_not_obeyed(mine, teacher, tmp_path):
    witness = tmp_path / "witness"
    hooks = mine.folder / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {witness}\nexit 1\n")
        (hooks / name).chmod(0o755)
    for key, value in {
        "core.fsmonitor": f"touch {witness}; false",
        "filter.x.clean": f"touch {witness}",
        "filter.x.smudge": f"touch {witness}",
        "filter.x.required": "true",
        "merge.x.driver": f"touch {witness}",
        "commit.gpgsign": "true",
        "gpg.program": f"touch {witness}",
        "core.autocrlf": "true",
        "url.file:///nowhere/.insteadOf": mine.url,
    }.items():
        mine.git("config", key, value)
    witness.unlink(missing_ok=True)
    mine.write(".gitattributes", "* filter=x merge=x\n")
    mine.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n", "c.txt": "c\n"})
    mine.pull()
    assert mine.read("a.txt") == "ONE\ntwo\nthree\nmine\n"
    assert not witness.exists()


def test_a_folder_inside_another_checkout_is_its_own(mine, teacher, tmp_path):
    outer = Repo.create(tmp_path / "outer", {"o.txt": "o\n"})
    inner = type(mine)(tmp_path / "outer/inner", mine.url)
    inner.pull()
    shutil.rmtree(inner.folder / ".git")
    before = outer.git("rev-parse", "HEAD")
    inner.pull()
    assert outer.git("rev-parse", "HEAD") == before
    assert inner.settled()


def test_four_pulls_at_once_end_well(mine, teacher):
    mine.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n", "c.txt": "c\n"})
    errors = []

    def pull():
        try:
            mine.pull()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert mine.read("a.txt") == "ONE\ntwo\nthree\nmine\n"
    assert mine.files == ["a.txt", "b.txt", "c.txt", "d/x.txt", "p.bin"]
    assert mine.settled()


def test_submodules_and_lfs_are_said_aloud(mine, teacher):
    commit = teacher.git("rev-parse", "HEAD").strip()
    teacher.commit({".gitattributes": "*.big filter=lfs\n"})
    teacher.git("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    teacher.git("commit", "-qm", "submodule")
    notes = " ".join(mine.pull().notes)
    assert "sub is another repository" in notes
    assert "LFS" in notes
    assert (mine.folder / "sub").is_dir()


def test_backup_starts_afresh(mine, teacher):
    mine.write("a.txt", "mine\n")
    receipt = mine.pull(backup=True)
    assert mine.read("a.txt") == "one\ntwo\nthree\n"
    (backup,) = mine.folder.parent.glob("mine_backup_*")
    assert (backup / "a.txt").read_text() == "mine\n"
    assert str(backup) in receipt.sentence()


def test_depth_gives_history(mine, teacher, tmp_path):
    for number in range(5):
        teacher.commit({"n.txt": f"{number}\n"})
    for depth, commits in ((0, 6), (3, 3)):
        other = type(mine)(tmp_path / f"depth{depth}", mine.url)
        other.pull(depth=depth)
        assert len(other.git("rev-list", "HEAD").split()) == commits


def test_what_cannot_be_is_a_sentence(mine, teacher, server, tmp_path):
    with pytest.raises(UnknownBranch, match="no branch or tag") as caught:
        mine.pull("mian")
    assert caught.value.near == ("main",)
    with pytest.raises(ContentNotFound):
        mine.pull(url=server.url("missing"))
    with pytest.raises(ContentNotFound, match=r"not a git address|holds"):
        mine.pull(url="ext::sh -c id")
    Repo.create(server.root / "empty")
    with pytest.raises(ContentNotFound, match="is empty"):
        mine.pull(url=server.url("empty"))
    (tmp_path / "file").write_text("f")
    with pytest.raises(ContentFailed):
        type(mine)(tmp_path / "file", mine.url).pull()


def test_a_pull_killed_anywhere_is_finished_by_the_next(mine, teacher, monkeypatch):
    from launcher.content.reconcile.work import Work

    class Killed(BaseException):
        """Like kill -9: nothing of the program runs after it."""

    book = '{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}'
    cell = '{"cell_type": "markdown", "metadata": {}, "source": "%s"}'
    teacher.commit({"n.ipynb": book % ", ".join(cell % s for s in ("e", "e", "x"))})
    mine.pull()
    mine.write("a.txt", "one\nmine\nthree\n")
    mine.write("d/x.txt", "x\nmine\n")
    mine.write("c.txt", "own\n")
    mine.write("n.ipynb", book % ", ".join(cell % s for s in ("e", "e", "mine")))
    os.unlink(mine.folder / "p.bin")
    teacher.git("rm", "-q", "b.txt")
    teacher.commit(
        {
            "a.txt": "one\ntheirs\nthree\n",
            "c.txt": "c\n",
            "d/x.txt": "X\nx\n",
            "n.ipynb": book % ", ".join(cell % s for s in ("e", "x")),
        }
    )
    write = Work.write
    for allowed in range(8):
        left = [allowed]

        def limited(self, *args, left=left, **options):
            if not left[0]:
                raise Killed
            left[0] -= 1
            write(self, *args, **options)

        monkeypatch.setattr(Work, "write", limited)
        try:
            mine.pull()
            break
        except Killed:
            continue
    monkeypatch.setattr(Work, "write", write)
    mine.pull()
    assert mine.read("a.txt") == "one\nmine\nthree\n"
    assert mine.read("c.txt") == "c\n"
    assert mine.read("d/x.txt") == "X\nx\nmine\n"
    assert mine.read("n.ipynb").count("mine") == 1
    aside = [name for name in mine.files if "(" in name]
    texts = sorted(mine.read(name) for name in aside if not name.endswith("ipynb"))
    assert texts == ["one\ntheirs\nthree\n", "own\n"]
    assert mine.settled()


LONG = "".join(f"line {number}\n" for number in range(20))


def renamed(teacher, old, new, text=None):
    (teacher.folder / new).parent.mkdir(parents=True, exist_ok=True)
    teacher.git("mv", old, new)
    teacher.commit({} if text is None else {new: text})


def test_an_edit_follows_a_file_that_the_teacher_renamed(mine, teacher):
    teacher.commit({"long.txt": LONG})
    mine.pull()
    mine.write("long.txt", LONG + "mine\n")
    renamed(teacher, "long.txt", "week1/better.txt", "zero\n" + LONG)
    receipt = mine.pull()
    assert mine.read("week1/better.txt") == "zero\n" + LONG + "mine\n"
    assert "long.txt" not in mine.files
    assert receipt.merged == ("week1/better.txt",)
    assert "long.txt is called week1/better.txt now" in receipt.sentence()
    assert mine.settled()


def test_lines_that_clash_in_a_renamed_file_keep_both(mine, teacher):
    teacher.commit({"long.txt": LONG})
    mine.pull()
    mine.write("long.txt", LONG.replace("line 3", "mine 3"))
    renamed(teacher, "long.txt", "better.txt", LONG.replace("line 3", "theirs 3"))
    ((name, beside),) = mine.pull().kept
    assert name == "better.txt"
    assert "mine 3" in mine.read("better.txt")
    assert "theirs 3" in mine.read(beside)
    assert mine.settled()


def test_a_renamed_file_whose_new_name_the_student_uses_leaves_both(mine, teacher):
    teacher.commit({"long.txt": LONG})
    mine.pull()
    mine.write("long.txt", LONG + "mine\n")
    mine.write("better.txt", "another thing\n")
    renamed(teacher, "long.txt", "better.txt")
    receipt = mine.pull()
    assert mine.read("long.txt") == LONG + "mine\n"
    assert mine.read("better.txt") == LONG
    assert mine.read(receipt.moved[0][1]) == "another thing\n"
    assert mine.settled()


def test_a_deleted_file_that_was_renamed_comes_under_its_new_name(mine, teacher):
    teacher.commit({"long.txt": LONG})
    mine.pull()
    (mine.folder / "long.txt").unlink()
    renamed(teacher, "long.txt", "better.txt")
    assert mine.pull().new == ("better.txt",)
    assert mine.settled()


@pytest.mark.parametrize("edited_between", [False, True])
def test_killed_between_the_new_name_and_the_old_one(mine, teacher, monkeypatch, edited_between):
    from launcher.content.reconcile.work import Work

    teacher.commit({"long.txt": LONG})
    mine.pull()
    mine.write("long.txt", LONG + "mine\n")
    renamed(teacher, "long.txt", "better.txt")

    class Killed(BaseException):
        pass

    def die(_work, _path):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Work, "remove", die)
        with pytest.raises(Killed):
            mine.pull()
    assert mine.read("long.txt") == mine.read("better.txt") == LONG + "mine\n"
    if edited_between:
        mine.write("long.txt", LONG + "mine\nand more\n")
    mine.pull()
    assert mine.read("better.txt") == LONG + "mine\n"
    assert ("long.txt" in mine.files) == edited_between
    assert mine.settled()


def test_a_clone_with_history_keeps_it(mine, teacher, server, tmp_path):
    for number in range(4):
        teacher.commit({"a.txt": f"{number}\n"})
    shutil.rmtree(mine.folder)
    teacher.git("clone", "-q", server.url("course"), str(mine.folder))
    teacher.commit({"b.txt": "new\n"})
    mine.pull()
    assert mine.read("b.txt") == "new\n"
    assert mine.git("rev-list", "--count", "HEAD").strip() == "6"
    assert mine.settled()


def test_a_backup_whose_pull_fails_is_put_back(mine, teacher):
    mine.write("own.txt", "own\n")
    for pack in (teacher.folder / ".git/objects").glob("??/*"):
        pack.chmod(0o644)
        pack.write_bytes(b"rubbish")
    with pytest.raises(ContentFailed):
        mine.pull(backup=True)
    assert mine.read("own.txt") == "own\n"
    assert [path.name for path in mine.folder.parent.glob("mine*")] == ["mine"]
