"""What a commit holds: listed once for a class, and read also where the mirror was damaged."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from launcher.errors import ContentFailed


@pytest.fixture
def lists(mirrors, monkeypatch):
    """The commits whose files git was made to list, once `watch` was called."""
    real, seen = mirrors.git.run, []

    def run(*args, **words):
        if "ls-tree" in args:
            seen.append(args[-1])
        return real(*args, **words)

    def watch():
        monkeypatch.setattr(mirrors, "git", SimpleNamespace(run=run))
        return seen

    return watch


def test_git_lists_the_files_of_a_commit_once_for_a_class(mirrors, url, lists):
    newest = mirrors.refresh(url)
    listed = lists()
    barrier = threading.Barrier(20)

    def click(_):
        barrier.wait(60)
        return mirrors.listing.has_path(newest, "b.txt"), mirrors.listing.files(newest)

    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(click, range(20)))
    assert seen == [(True, ["a.txt", "b.txt"])] * 20
    assert len(listed) == 1


def test_lists_of_files_are_remembered_by_their_bytes(mirrors, url, teacher, lists, monkeypatch):
    small = mirrors.refresh(url)
    many = [f"f{number:05}" for number in range(60_000)]
    empty = teacher.link("")  # and no work tree: 60,000 files on the disk take long
    names = ["a.txt", "b.txt", *many]
    teacher.set_head(teacher.tree(*[("100644", name, empty) for name in names]))
    large = mirrors.refresh(url)
    listed = lists()
    for _ in range(2):
        assert mirrors.listing.files(large) == names
        assert mirrors.listing.files(small) == ["a.txt", "b.txt"]
    assert listed == [large.commit, small.commit], "a large course is remembered as well"
    monkeypatch.setattr("launcher.content.listing.LISTED", 7 * len(many))
    mirrors._lists._known.clear()
    for one in (small, large, small, small):
        mirrors.listing.files(one)
    assert listed[2:] == [small.commit, large.commit, small.commit], "they have no room for both"


def test_files_and_paths(mirrors, url, teacher):
    teacher.commit({"week 1/ü b.ipynb": "{}", "-x": "", "d/e/f": ""})
    found = mirrors.refresh(url)
    assert mirrors.listing.files(found) == ["-x", "a.txt", "b.txt", "d/e/f", "week 1/ü b.ipynb"]
    for path in ("week 1/ü b.ipynb", "d/e", "d/e/", "-x", ""):
        assert mirrors.listing.has_path(found, path)
    for path in ("d/x", "../a.txt", "A.txt", "d/e/f/g"):
        assert not mirrors.listing.has_path(found, path)


def spoil(mirrors):
    """What a bad disk does: objects are there, and their bytes are not those that came."""
    objects = [path for path in mirrors.folder.glob("mirrors/*/objects/*/*") if path.is_file()]
    assert objects
    for path in objects:
        path.chmod(0o600)
        path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes()))


def test_a_mirror_whose_objects_are_damaged_is_made_again(mirrors, url, teacher, caplog):
    teacher.commit({"week 1/a.ipynb": "{}"})
    found = mirrors.refresh(url)
    spoil(mirrors)
    assert mirrors.refresh(url).commit == found.commit, "refs alone do not show it"
    assert mirrors.listing.has_path(found, "week 1/a.ipynb")
    assert "damaged" in caplog.text
    assert not mirrors.listing.has_path(found, "week 1/b.ipynb")
    spoil(mirrors)
    mirrors._lists._known.clear()  # it is not asked for what it has read
    assert "week 1/a.ipynb" in mirrors.listing.files(found)
    assert caplog.text.count("damaged") == 2, "a file that is not there is no damage"


def test_a_damaged_mirror_without_its_host_is_a_sentence_and_stays(mirrors, url, server):
    found = mirrors.refresh(url)
    spoil(mirrors)
    server.stop()
    with pytest.raises(ContentFailed, match="damaged"):
        mirrors.listing.files(found)
    assert list((mirrors.folder / "mirrors").iterdir())
