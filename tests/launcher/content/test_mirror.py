"""Mirrors: one question when nothing is new, one fetch a class, a copy when the host is down."""

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.errors import GitHostDown, HostNotAllowed
from envs.git import Git
from launcher.content.mirror import Mirrors
from launcher.errors import ContentNotFound, UnknownBranch


def asked(server):
    """How often the server was asked for a list of refs, and how often for objects."""
    lists = [r for r in server.requests if "info/refs" in r]
    posts = [r for r in server.requests if r.startswith("POST")]
    return len(lists), len(posts)


def test_nothing_new_is_one_question(mirrors, url, server):
    first = mirrors.refresh(url)
    before = len(server.requests)
    assert mirrors.refresh(url).commit == first.commit
    assert asked(server)[0] == 2 + 1, "a question and a fetch, then one question"
    assert len(server.requests) - before <= 2


def test_a_class_fetches_once(mirrors, url, server, teacher):
    mirrors.refresh(url)
    teacher.commit({"new.txt": "n\n"})
    server.requests.clear()
    barrier = threading.Barrier(20)

    def click(_):
        barrier.wait(120)
        return mirrors.refresh(url).commit

    with ThreadPoolExecutor(20) as pool:
        commits = set(pool.map(click, range(20)))
    assert commits == {teacher.git("rev-parse", "HEAD").strip()}
    assert len([r for r in server.requests if r.startswith("POST")]) <= 20 + 1
    packs = list((mirrors.folder / "mirrors").glob("*/objects/pack/*.pack"))
    loose = list((mirrors.folder / "mirrors").glob("*/refs/launcher/commits/*"))
    assert len(loose) == 2, f"two commits came, each once: {packs}"


def test_a_storm_asks_once(mirrors, url, server, teacher):
    mirrors.fresh = 60.0
    with ThreadPoolExecutor(16) as pool:
        commits = set(pool.map(lambda _: mirrors.refresh(url, "main").commit, range(100)))
    assert commits == {teacher.git("rev-parse", "HEAD").strip()}
    assert asked(server)[0] == 2, "a question and a fetch"


def test_an_answer_is_shared_for_a_moment_only_and_a_failure_never(mirrors, url, server, teacher):
    mirrors.fresh = 60.0
    first = mirrors.refresh(url).commit
    newest = teacher.commit({"new.txt": "n\n"})
    assert mirrors.refresh(url).commit == first
    mirrors.fresh = 0.0
    assert mirrors.refresh(url).commit == newest
    mirrors.fresh = 60.0
    with pytest.raises(UnknownBranch):
        mirrors.refresh(url, "later")
    teacher.git("branch", "later")
    assert mirrors.refresh(url, "later").commit == newest


def test_branches_tags_and_commits(mirrors, url, teacher):
    first = teacher.git("rev-parse", "HEAD").strip()
    teacher.git("tag", "-a", "v1", "-m", "v1")
    second = teacher.commit({"c.txt": "c\n"})
    teacher.git("branch", "feature/x")
    found = mirrors.refresh(url)
    assert (found.ref, found.commit, found.branch, found.stale) == ("main", second, "main", False)
    found = mirrors.refresh(url, "v1")
    assert (found.ref, found.commit, found.branch) == ("v1", first, "")
    assert mirrors.refresh(url, "feature/x").commit == second
    assert mirrors.refresh(url, first).commit == first


@pytest.mark.parametrize("by_commit", [True, False])
def test_a_commit_that_no_branch_ends_in(mirrors, url, teacher, server, by_commit):
    server.by_commit = by_commit
    first = teacher.git("rev-parse", "HEAD").strip()
    teacher.commit({"c.txt": "c\n"})
    assert mirrors.refresh(url, first).commit == first
    assert mirrors.listing.files(mirrors.refresh(url, first)) == ["a.txt", "b.txt"]
    with pytest.raises(UnknownBranch):
        mirrors.refresh(url, "0" * 40)


def test_an_unknown_branch_names_near_ones(mirrors, url, teacher):
    teacher.git("branch", "week-3")
    with pytest.raises(UnknownBranch) as caught:
        mirrors.refresh(url, "week3")
    assert caught.value.near == ("week-3",)


def test_a_missing_repository(mirrors, url, server):
    with pytest.raises(ContentNotFound):
        mirrors.refresh(server.url("missing"))
    with pytest.raises(ContentNotFound):
        mirrors.refresh("file:///etc")


def test_a_host_that_is_not_allowed(tmp_path, url):
    with pytest.raises(HostNotAllowed, match="not a public address"):
        Mirrors(tmp_path / "m", Git()).refresh(url)


def test_a_host_that_was_taken_out_of_the_settings_gives_no_copy(mirrors, url):
    mirrors.refresh(url)
    with pytest.raises(HostNotAllowed) as caught:
        Mirrors(mirrors.folder, Git(("example.org",))).refresh(url)
    assert caught.value.field == "repo"


def test_the_host_down_gives_the_last_copy(mirrors, url, server, teacher, tmp_path):
    known = mirrors.refresh(url)
    server.stop()
    again = mirrors.refresh(url)
    assert (again.commit, again.stale, again.fetched) == (known.commit, True, known.fetched)
    assert mirrors.prepared_clone(again).is_dir()
    with pytest.raises(GitHostDown, match="cannot be reached") as caught:
        mirrors.refresh(url, "other")
    assert caught.value.field == "repo"
    with pytest.raises(GitHostDown):
        Mirrors(tmp_path / "fresh", mirrors.git).refresh(url)


def test_the_copy_is_never_older_than_what_is_known_of_the_same_branch(mirrors, url, teacher):
    first = mirrors.refresh(url).commit
    teacher.git("branch", "other")
    mirrors.refresh(url, "other")
    newest = teacher.commit({"c.txt": "c\n"})
    assert mirrors.refresh(url, "main").commit == newest
    assert mirrors.find_copy(url).commit == newest, "a click by the default branch's name was last"
    assert mirrors.find_copy(url, "other").commit == first
    assert mirrors.find_copy(url, "never-asked") is None


def test_a_damaged_mirror_heals(mirrors, url, teacher):
    mirrors.refresh(url)
    (mirror,) = (mirrors.folder / "mirrors").iterdir()
    (mirror / "HEAD").write_text("")
    (mirror / "shallow.lock").touch()
    commit = teacher.commit({"new.txt": "n\n"})
    assert mirrors.refresh(url).commit == commit
    assert "new.txt" in mirrors.listing.files(mirrors.refresh(url))


def test_a_prepared_clone_is_made_once(mirrors, url):
    found = mirrors.refresh(url)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: mirrors.prepared_clone(found), range(8)))
    assert len(made) == 1
    (clone,) = made
    assert [path.name for path in clone.parent.iterdir()] == [clone.name]
    assert not (clone / ".git/hooks").exists()
    assert url in (clone / ".git/config").read_text()


def test_a_prepared_clone_has_few_files_since_each_student_gets_a_copy(mirrors, url, teacher):
    for number in range(5):
        teacher.commit({f"week{number}/a.txt": f"{number}\n"})
    clone = mirrors.prepared_clone(mirrors.refresh(url))
    inside = {str(path.relative_to(clone / ".git")) for path in (clone / ".git").rglob("*")}
    packs = {name for name in inside if name.startswith("objects/pack/")}
    assert sorted(name.rpartition(".")[2] for name in packs) == ["idx", "pack"]
    files = {"HEAD", "config", "index", "packed-refs", "shallow"}
    assert inside - packs - files == {"objects", "objects/pack", "refs"}
    git = functools.partial(mirrors.git.run, "-c", f"safe.directory={clone}", cwd=clone)
    assert git("status", "--porcelain") == ""
    git("fsck", "--strict")
    newest = teacher.git("rev-parse", "HEAD").strip()
    assert git("rev-parse", "main", "origin/main", "HEAD").split() == [newest] * 3


def test_attributes_of_the_course_change_no_byte(mirrors, url, teacher):
    teacher.commit({".gitattributes": "*.txt text eol=crlf ident\n", "i.txt": "$Id$\n"})
    clone = mirrors.prepared_clone(mirrors.refresh(url))
    assert (clone / "i.txt").read_bytes() == b"$Id$\n"


def test_a_pack_holds_only_what_is_new(mirrors, url, teacher):
    teacher.commit({f"f{number}.txt": f"{number}\n" * 50 for number in range(100)})
    first = mirrors.refresh(url)
    teacher.commit({"new.txt": "n\n"})
    second = mirrors.refresh(url)
    small, all_ = mirrors.pack(second, first.commit), mirrors.pack(second, None)
    assert small.stat().st_size < all_.stat().st_size / 4
    assert mirrors.pack(second, "f" * 40) == all_, "an unknown commit: everything"


def test_what_nobody_used_for_a_week_is_removed(mirrors, url, teacher):
    old = mirrors.prepared_clone(mirrors.refresh(url))
    os.utime(old, (0, 0))
    teacher.commit({"c.txt": "c\n"})
    new = mirrors.prepared_clone(mirrors.refresh(url))
    assert (old.exists(), new.exists()) == (False, True)
