"""What a link gives: one folder without the rest, submodules filled in, never too much."""

import os
from dataclasses import replace

import pytest

from envs.errors import GitHostDown
from envs.git import Git
from launcher.content.delivered import find_delivered
from launcher.content.mirror import Mirrors
from launcher.content.size import SizeLimits
from launcher.content.upstream import FetchLimits, Upstream, fetch
from launcher.errors import ContentNotFound, ContentTooLarge
from tests.git_server import GitServer, Repo

WEEKS = {
    "week1/a.ipynb": "{}",
    "week2/a.ipynb": "{}",
    "week2/data/d.csv": "1\n",
    "week2_solution/a.ipynb": "solved",
    "README.md": "read me\n",
}


@pytest.fixture
def weeks(tmp_path):
    return Repo.create(tmp_path / "served/course", WEEKS)


@pytest.fixture(params=[True, False], ids=["attached", "archive"])
def student(request, new_student, weeks):
    return new_student(attaches_folders=request.param)


def test_one_folder_brings_nothing_of_the_rest(student, weeks):
    receipt = student.pull(only="week2")
    assert student.files == ["week2/a.ipynb", "week2/data/d.csv"]
    assert receipt.after == weeks.git("rev-parse", "HEAD").strip()
    assert student.git("status", "--porcelain") == ""
    blobs = student.git("cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert len([line for line in blobs if " blob " in line]) == 2, "no other file's content came"
    assert "change" not in student.git("log", "--all", "--format=%B"), "no history came"


def test_updates_of_that_folder_come_and_others_do_not(student, weeks):
    student.pull(only="week2")
    weeks.commit({"README.md": "new\n"})
    receipt = student.pull(only="week2")
    assert (receipt.changed, receipt.before) == (False, receipt.before)
    student.write("week2/a.ipynb", "{ }")
    weeks.commit({"week2/data/d.csv": "2\n", "week1/b.txt": "b\n"})
    receipt = student.pull(only="week2")
    assert receipt.updated == ("week2/data/d.csv",)
    assert student.read("week2/a.ipynb") == "{ }"
    assert "week1/b.txt" not in student.files
    assert receipt.after == weeks.git("rev-parse", "HEAD").strip()


def test_the_next_week_leaves_the_last_one_in_place(student):
    student.pull(only="week1")
    receipt = student.pull(only="week2")
    assert student.files == ["week1/a.ipynb", "week2/a.ipynb", "week2/data/d.csv"]
    assert receipt.removed == ()
    assert student.pull(only="week1").changed is False
    student.pull()
    assert student.files == sorted(WEEKS)
    assert student.pull(only="week1").removed == ()


def test_a_folder_inside_of_one_that_is_there_changes_nothing(student):
    student.pull(only="week2")
    assert student.pull(only="week2/data").changed is False


def test_a_folder_that_upstream_gave_up_is_withdrawn_but_not_the_students_work(student, weeks):
    student.pull(only="week1")
    student.write("week1/a.ipynb", "mine")
    student.pull(only="week2")
    weeks.git("rm", "-rq", "week1")
    weeks.commit({})
    student.pull(only="week2")
    assert student.read("week1/a.ipynb") == "mine"
    assert find_delivered(student.spec, "course").only == ("week1", "week2")


def test_a_folder_that_is_gone_does_not_bring_everything_else(student, weeks):
    student.pull(only="week1")
    weeks.git("rm", "-rq", "week1")
    weeks.commit({})
    student.pull(only="week1")
    assert student.files == []
    assert find_delivered(student.spec, "course").only == ("week1",)


def test_the_same_wish_is_the_same_commit(weeks, mirrors, server):
    upstream = mirrors.refresh(server.url("course"))
    one = mirrors.shape(upstream, ["week2", "week1"])
    other = Mirrors(mirrors.folder.with_name("other"), mirrors.git)
    assert other.shape(other.refresh(server.url("course")), ["week1", "week2"]).commit == one.commit
    assert mirrors.shape(upstream).commit == upstream.commit


@pytest.fixture
def nested(tmp_path, server, weeks):
    """The course holds `lib`, which holds `inner`, and one of a host that nobody may ask."""
    inner = Repo.create(tmp_path / "served/inner", {"deep.txt": "deep\n"})
    lib = Repo.create(tmp_path / "served/lib", {"lib.txt": "lib\n"})
    add(lib, "sub/inner", "../inner", inner)
    add(weeks, "week1/lib", "../lib", lib)
    add(weeks, "evil", "http://10.0.0.1/x", inner)
    return lib


def add(repo, path, url, other):
    """As `git submodule add`, without its need for a reachable address."""
    modules = repo.folder / ".gitmodules"
    text = modules.read_text() if modules.exists() else ""
    modules.write_text(f'{text}[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
    commit = other.git("rev-parse", "HEAD").strip()
    repo.git("add", ".gitmodules")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repo.git("commit", "-q", "-m", "submodule")


def test_submodules_are_filled_in(student, weeks, nested):
    receipt = student.pull()
    assert student.read("week1/lib/lib.txt") == "lib\n"
    assert student.read("week1/lib/sub/inner/deep.txt") == "deep\n"
    assert receipt.after == weeks.git("rev-parse", "HEAD").strip()
    assert f"parent {receipt.after}" in student.git("cat-file", "commit", "HEAD")
    (note,) = receipt.notes
    assert "evil" in note
    assert "does not fetch from http://10.0.0.1/x" in note
    assert student.git("status", "--porcelain").strip() in ("", "D evil")


def test_a_moved_submodule_is_an_update_like_any_other(student, weeks, nested):
    student.pull()
    student.write("week1/lib/lib.txt", "lib\nmine\n")
    commit = nested.commit({"lib.txt": "new\nlib\n", "more.txt": "more\n"})
    weeks.git("update-index", "--cacheinfo", f"160000,{commit},week1/lib")
    weeks.git("commit", "-q", "-m", "newer")
    receipt = student.pull()
    assert receipt.new == ("week1/lib/more.txt",)
    assert student.read("week1/lib/lib.txt") == "new\nlib\nmine\n"


def test_submodules_of_other_folders_are_not_even_asked_for(student, server, nested):
    student.pull(only="week2")
    assert not [one for one in server.requests if "/lib" in one or "/inner" in one]


def test_a_submodule_cannot_reach_outside(student, weeks, tmp_path):
    other = Repo.create(tmp_path / "served/other", {"x": "x"})
    (weeks.folder / "out").symlink_to(tmp_path)
    add(weeks, "in", "file:///etc", other)
    weeks.git("add", "out")
    weeks.git("commit", "-q", "-m", "link")
    receipt = student.pull()
    assert "is left as it is" in receipt.sentence()
    assert os.readlink(student.folder / "out") == str(tmp_path)
    assert not (student.folder / "in").is_dir() or not os.listdir(student.folder / "in")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("modules", [True, False])
def test_a_tree_that_holds_a_name_twice_leads_nowhere(
    student, weeks, server, tmp_path, new, modules
):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "file").write_text("the host's\n")
    if not new:
        student.pull()
    link, text = weeks.link(str(outside)), weeks.link("the teacher's\n")
    lib = Repo.create(tmp_path / "served/lib", {"lib.txt": "lib\n"})
    inside = weeks.tree(
        ("100644", "file", text), ("160000", "sub", lib.git("rev-parse", "HEAD").strip())
    )
    listed = weeks.link('[submodule "p"]\n\tpath = a/sub\n\turl = ../lib\n')
    rows = [("40000", "a", inside), ("120000", "a", link)]
    weeks.set_head(weeks.tree(*([("100644", ".gitmodules", listed)] if modules else []), *rows))
    for _ in range(3):
        student.pull()
        assert sorted(p.name for p in outside.rglob("*")) == ["file", "sub"]
        assert (outside / "file").read_text() == "the host's\n"
        weeks.set_head(weeks.tree(*rows[::-1]))
        student.pull()
        weeks.set_head(weeks.tree(*rows))


def limited(mirrors, **limits):
    return Mirrors(mirrors.folder.with_name("limited"), mirrors.git, **limits)


def test_too_much_is_refused_with_the_way_out(weeks, mirrors, server):
    weeks.commit({"week3/big.bin": os.urandom(300_000)})
    few = limited(mirrors, size=SizeLimits(largest=100_000, files=100))
    upstream = few.refresh(server.url("course"))
    with pytest.raises(ContentTooLarge) as caught:
        few.shape(upstream)
    assert "293 kB in 6 files" in caught.value.message
    assert "week3 (293 kB)" in caught.value.hint
    assert "only=" in caught.value.hint
    assert few.shape(upstream, ["week1"]).commit
    files = limited(mirrors, size=SizeLimits(files=3))
    with pytest.raises(ContentTooLarge, match="at most 3 files"):
        files.shape(upstream)


@pytest.mark.parametrize("kind", ["files", "folders"])
def test_folders_that_hold_each_other_without_end_are_refused(weeks, mirrors, server, kind):
    empty = weeks.tree() if kind == "folders" else ""
    weeks.set_head(weeks.tree(("40000", "deep", weeks.bomb(empty))))
    for _ in range(2):
        with pytest.raises(ContentTooLarge, match="files and folders that this server lists"):
            mirrors.refresh(server.url("course"))
    weeks.git("reset", "-q", "--soft", "HEAD")
    weeks.commit({})
    assert mirrors.listing.files(mirrors.refresh(server.url("course"))) == sorted(WEEKS)


def test_a_repository_of_too_many_files_and_folders_is_refused(weeks, mirrors, server, monkeypatch):
    monkeypatch.setattr("launcher.content.size.MOST_LISTED", 8)
    with pytest.raises(ContentTooLarge, match="8 files and folders"):
        mirrors.refresh(server.url("course"))
    monkeypatch.setattr("launcher.content.size.MOST_LISTED", 9)
    assert mirrors.refresh(server.url("course"))


def test_submodules_may_not_come_to_more_together_than_one_repository(
    weeks, mirrors, server, nested, monkeypatch
):
    upstream = mirrors.refresh(server.url("course"))
    monkeypatch.setattr("launcher.content.shape.MOST", 700)
    with pytest.raises(ContentTooLarge, match="submodules included"):
        mirrors.shape(upstream)


def test_a_fetch_that_is_too_large_is_cut_off_and_leaves_nothing(weeks, mirrors, server):
    weeks.commit({"week3/big.bin": os.urandom(3_000_000)})
    few = limited(mirrors, limits=FetchLimits(largest=1_000_000))
    for _ in range(2):
        with pytest.raises(ContentTooLarge, match=r"larger than the 977 kB"):
            few.refresh(server.url("course"))
    left = sum(path.stat().st_size for path in few.folder.rglob("*") if path.is_file())
    assert left < 100_000
    weeks.git("rm", "-q", "week3/big.bin")
    weeks.commit({})
    assert few.refresh(server.url("course")).commit


def test_a_fetch_that_takes_too_long_is_ended(tmp_path):
    """A host that accepts and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        mirrors = Mirrors(tmp_path / "m", Git(hosts=(host,), timeout=1.0))
        with pytest.raises(Exception, match="did not answer within 1 s"):
            mirrors.refresh(f"http://{host}/x")


def test_a_submodule_that_cannot_be_fetched_keeps_its_files_and_comes_later(
    student, weeks, nested, monkeypatch
):
    monkeypatch.setattr("launcher.content.mirror.REFUSED", 0.0)
    student.pull()
    student.write("week1/lib/mine.txt", "mine\n")
    commit = nested.commit({"lib.txt": "new\nlib\n"})
    weeks.git("update-index", "--cacheinfo", f"160000,{commit},week1/lib")
    weeks.git("commit", "-q", "-m", "newer")
    away = nested.folder.with_name("away")
    nested.folder.rename(away)
    receipt = student.pull()
    assert receipt.removed == ()
    assert "cannot be fetched now" in receipt.sentence()
    assert student.read("week1/lib/lib.txt") == "lib\n"
    away.rename(nested.folder)
    student.pull()
    assert student.read("week1/lib/lib.txt") == "new\nlib\n"
    assert student.read("week1/lib/mine.txt") == "mine\n"
    assert student.pull().changed is False


def asked(server, name):
    return [one for one in server.requests if f"/{name}/" in one]


def test_a_class_asks_once_for_a_submodule_that_is_missing_or_private(
    new_student, weeks, nested, server
):
    nested.folder.rename(nested.folder.with_name("away"))
    for number in range(5):
        receipt = new_student(f"s{number}").pull()
        assert "/lib cannot be fetched now" in receipt.sentence()
    assert len(asked(server, "lib")) == 1, "not once a student, and not for everything as well"


@pytest.mark.parametrize("later", [False, True])
def test_a_submodule_whose_host_is_down_is_asked_for_again_after_a_moment(
    new_student, weeks, server, tmp_path, mirrors, monkeypatch, later
):
    monkeypatch.setattr("launcher.content.mirror.DOWN", 0.0 if later else 600.0)
    lib = Repo.create(tmp_path / "other/lib", {"lib.txt": "lib\n"})
    with GitServer(tmp_path / "other") as other:
        add(weeks, "week1/lib", other.url("lib"), lib)
        mirrors.git = replace(mirrors.git, hosts=(server.host, other.host))
        other.stop()
        assert "cannot be fetched now" in new_student("s1").pull().sentence()
        other.start()
        again = new_student("s2").pull()
    assert ("cannot be fetched now" in again.sentence()) is not later
    assert bool(asked(other, "lib")) is later


@pytest.mark.parametrize("trouble", ["missing", "private", "down", "too large"])
def test_everything_is_not_fetched_where_one_commit_could_not_be_asked_for(
    weeks, server, tmp_path, monkeypatch, trouble
):
    git, commit = Git(hosts=(server.host,)), weeks.git("rev-parse", "HEAD").strip()
    git.run("init", "--quiet", "--bare", "--", str(tmp_path / "mirror"))
    server.password = "u:p" if trouble == "private" else ""
    url = server.url("none" if trouble == "missing" else "course")
    if trouble == "down":
        server.stop()
    fetches, run = [], Git.run

    def counted(self, *words, remote="", **more):
        fetches.extend([words] if remote else [])
        return run(self, *words, remote=remote, **more)

    monkeypatch.setattr(Git, "run", counted)
    with pytest.raises((ContentNotFound, GitHostDown, ContentTooLarge)):
        fetch(
            *(Upstream(url, commit, commit, 0.0, kind="commit"), url, str(tmp_path / "mirror")),
            into="refs/launcher/incoming/1",
            depth=1,
            git=git,
            limits=FetchLimits(largest=100 if trouble == "too large" else 0),
        )
    assert len(fetches) == 1
