"""Whatever teacher and student do, for several rounds: nothing is lost, nothing is missing."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.content.reconcile.pull import Request, pull
from tests.git_server import Repo

NAMES = ["a.txt", "b.txt", "d/a.txt", "d/b.txt", "d", "a.txt/x", "e.bin", "ü [1].txt"]
LINES = [f"line {number}\n" for number in range(6)]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "new", "delete", "rename", "rewrite", "link", "commit", "stage"]),
        st.sampled_from(NAMES),
        st.integers(0, 5),
    ),
    max_size=5,
)


def put(root: Path, name: str, data: bytes) -> None:
    """Write, as an editor would: what stands in the way is gone before."""
    path = root / name
    for above in [*reversed(path.relative_to(root).parents)][1:]:
        if os.path.lexists(root / above) and (
            (root / above).is_symlink() or not (root / above).is_dir()
        ):
            (root / above).unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def act(root: Path, who: str, serial: int, what: str, name: str, line: int) -> None:
    path = root / name
    is_file = path.is_file() and not path.is_symlink()
    if what == "edit" and is_file:
        lines = path.read_bytes().splitlines(keepends=True) or [b""]
        lines[line % len(lines)] = f"{who} {serial}\n".encode()
        path.write_bytes(b"".join(lines))
    elif what in ("new", "rewrite"):
        start = b"\0" if name.endswith("bin") else b""
        put(root, name, start + "".join([*LINES[:line], f"{who} {serial}\n"]).encode())
    elif what == "delete" and is_file:
        path.unlink()
    elif what == "rename" and is_file:
        put(root, f"{who}-{serial}.txt", path.read_bytes())
        path.unlink()
    elif what == "link" and not os.path.lexists(path) and path.parent.is_dir():
        path.symlink_to("a.txt")


def git(root: Path, *args: str) -> bytes:
    words = ["git", "-c", "user.name=S", "-c", "user.email=s@example.org", *args]
    return subprocess.run(words, cwd=root, check=True, capture_output=True).stdout


def contents(root: Path) -> dict[str, bytes]:
    """Every file and link of the folder."""
    found = {}
    for above, folders, files in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in [*files, *(f for f in folders if (Path(above) / f).is_symlink())]:
            path = Path(above) / name
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(root))] = data
    return found


def tree(repo: Repo) -> dict[str, bytes]:
    names = repo.git("ls-files", "-z").split("\0")[:-1]
    return {name: data for name, data in contents(repo.folder).items() if name in names}


def packed(repo: Repo, commit: str, target: Path) -> str:
    words = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    with open(target, "wb") as file:
        subprocess.run(
            words, cwd=repo.folder, input=commit.encode(), stdout=file, check=True, timeout=60
        )
    return str(target)


@pytest.mark.flaky(reruns=0)  # what is lost once is lost
@pytest.mark.slow
@given(st.lists(st.tuples(ACTS, ACTS, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_is_lost_and_nothing_is_missing(rounds):
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), rounds)


def run(where: Path, rounds) -> None:
    teacher = Repo.create(where / "teacher", {"a.txt": "".join(LINES), "d/b.txt": "b\n"})
    mine = where / "mine"
    serial = 0

    def deliver():
        commit = teacher.git("rev-parse", "HEAD").strip()
        request = Request(str(mine), "https://git.example.org/c", commit, "main")
        return pull(request, packed(teacher, commit, where / "pack"))

    deliver()
    assert contents(mine) == tree(teacher)
    for theirs, ours, amend in rounds:
        base = tree(teacher)
        for what, name, line in theirs:
            serial += 1
            act(teacher.folder, "teacher", serial, what, name, line)
        teacher.git("add", "-A")
        teacher.git("commit", "-q", "--allow-empty", "-m", "x", *(["--amend"] if amend else []))
        staged, committed = [], []
        for what, name, line in ours:
            serial += 1
            act(mine, "student", serial, what, name, line)
            if what in ("stage", "commit"):
                git(mine, "add", "-A")
                # Staging again replaces what was staged, by the student's own hand.
                staged = [line for data in contents(mine).values() for line in data.splitlines()]
            if what == "commit":
                git(mine, "commit", "-q", "--allow-empty", "-m", "own")
                committed += staged
        before = contents(mine)
        deliver()
        check(mine, base, before, tree(teacher))
        reachable = git(mine, "rev-list", "--objects", "--all", "--indexed-objects").split(b"\n")
        blobs = b"\n".join(row.split(b" ")[0] for row in reachable if row)
        saved = subprocess.run(
            ["git", "cat-file", "--batch"], cwd=mine, input=blobs, capture_output=True, check=True
        ).stdout
        everything = saved + b"\n".join(contents(mine).values())
        assert all(line in everything for line in staged + committed if b"student" in line)
        settled = contents(mine)
        deliver()
        assert contents(mine) == settled, "pulling again changes nothing"


def check(mine: Path, base, before, upstream) -> None:
    after = contents(mine)
    texts = b"\n".join(after.values())
    for name, data in before.items():
        if data not in base.values():
            for line in data.splitlines():
                if b"student" in line:
                    assert line in texts, f"the student's line of {name} is there"
    for name, data in upstream.items():
        untouched = before.get(name) == base.get(name) or name not in before
        blocked = any(other.startswith(name + "/") for other in before)
        # Where the teacher renamed what the student changed, the change went along.
        followed = name not in base and any(
            path in base and path not in upstream and before[path] != base[path] for path in before
        )
        if untouched and not blocked and not (followed and after.get(name) != data):
            assert after.get(name) == data, f"the teacher's {name} arrived"
        if base.get(name) != data:
            known = b"".join(base.values()) if followed else base.get(name, b"")
            for line in set(data.splitlines()) - set(known.splitlines()):
                assert line in texts, f"the teacher's change of {name} is somewhere"
    git(mine, "fsck", "--strict")


def test_an_empty_folder_in_a_file_s_place_does_not_keep_the_file_away(tmp_path):
    run(tmp_path, [([], [("new", "a.txt/x", 0), ("delete", "a.txt/x", 0)], False)])
