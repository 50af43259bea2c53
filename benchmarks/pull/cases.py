"""The situations: what a student may expect of a pull in each, whoever pulls.

They follow the merging guide and the issues of nbgitpuller (https://nbgitpuller.readthedocs.io);
`#n` is one of its issues.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable

from benchmarks.pull.scene import Scene, hold
from tests.git_server import Repo

CASES: dict[str, Callable[[Scene], None]] = {}


def case(title: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    def note(check: Callable[[Scene], None]) -> Callable[[Scene], None]:
        CASES[title] = check
        return check

    return note


# First pulls and refs


@case("first pull makes parents and is shallow")
def _(s: Scene) -> None:
    s.teacher.commit({"a.txt": "one\ntwo\nthree\nfour\n"})
    s.pull()
    hold(s.read("a.txt").endswith("four\n"), "the file is not there")
    hold(s.git("rev-list", "--count", "HEAD").strip() == "1", "it brings the whole history")


@case("no branch named: the default branch")
def _(s: Scene) -> None:
    s.teacher.git("branch", "-m", "main", "trunk")
    s.pull("")
    hold(s.read("a.txt"), "the file is not there")


@case("a branch that is missing is refused by name")
def _(s: Scene) -> None:
    hold(s.try_pull("nothing") != 0, "exit code 0")
    hold("nothing" in s.said, "the branch is not named")
    hold(not s.mine.exists(), "it leaves a folder")


@case("a link for another branch (#379)")
def _(s: Scene) -> None:
    s.teacher.git("checkout", "-q", "-b", "week2")
    s.teacher.commit({"w2.txt": "2\n"})
    s.pull("main")
    s.write("a.txt", "one\ntwo\nthree\nmine\n")
    s.pull("week2")
    hold(s.read("w2.txt"), "the branch's file is not there")
    hold("mine" in s.read("a.txt"), "the edit is gone")


@case("the default branch is renamed (#159)")
def _(s: Scene) -> None:
    s.pull("")
    s.teacher.git("branch", "-m", "main", "trunk")
    s.teacher.commit({"new.txt": "n\n"})
    s.pull("")
    hold(s.read("new.txt"), "the new file is not there")


@case("a tag, clicked twice (#361)")
def _(s: Scene) -> None:
    s.teacher.git("tag", "v1")
    s.pull("v1")
    s.write("a.txt", "mine\n")
    s.pull("v1")
    hold(s.read("a.txt") == "mine\n", "the edit is gone")


@case("the next tag, and a tag that moved")
def _(s: Scene) -> None:
    s.teacher.git("tag", "v1")
    s.pull("v1")
    s.teacher.commit({"a.txt": "second\n"})
    s.teacher.git("tag", "-f", "v1")
    s.teacher.git("tag", "v2")
    s.pull("v2")
    s.pull("v1")
    hold(s.read("a.txt") == "second\n", "the old content stays")


@case("a commit id (#239)")
def _(s: Scene) -> None:
    first = s.teacher.git("rev-parse", "HEAD").strip()
    s.teacher.commit({"a.txt": "second\n"})
    s.pull(first)
    hold(s.read("a.txt").startswith("one"), "another commit")


@case("an empty repository is said plainly, and works after a push")
def _(s: Scene) -> None:
    empty = Repo.create(s.server.root / s.root.name / "empty")
    url = s.server.url(f"{s.root.name}/empty")
    hold(s.try_pull("", url=url) != 0, "exit code 0")
    hold("Traceback" not in s.said, "a traceback")
    empty.commit({"a.txt": "a\n"})
    s.pull("", url=url)


@case("the folder is there already, empty (#44)")
def _(s: Scene) -> None:
    s.mine.mkdir()
    s.pull()
    hold(s.read("a.txt"), "the file is not there")


@case("the folder is there already, with files of the student's (#98)")
def _(s: Scene) -> None:
    s.write("own.txt", "own\n")
    s.write("a.txt", "mine\n")
    s.pull()
    hold(s.read("own.txt") == "own\n", "the student's file is gone")
    hold(b"mine" in s.everything(), "the student's text is gone")
    hold(s.read("b.txt") == "b\n", "the course's file is not there")


# Text


@case("an untouched file follows")
def _(s: Scene) -> None:
    s.pull()
    s.teacher.commit({"a.txt": "new\n"})
    s.pull()
    hold(s.read("a.txt") == "new\n", "the old content stays")


@case("different lines: both stay")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\ntwo\nmine\n")
    s.teacher.commit({"a.txt": "theirs\ntwo\nthree\n"})
    s.pull()
    hold(s.read("a.txt") == "theirs\ntwo\nmine\n", "one of the two is missing")


@case("the same line: the student's stays, the teacher's is to be seen (#263)")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\nmine\nthree\n")
    s.teacher.commit({"a.txt": "one\ntheirs\nthree\n"})
    s.pull()
    hold("mine" in s.read("a.txt"), "the student's line is gone")
    hold(b"theirs" in s.everything(), "the teacher's line is nowhere, and nobody is told")


@case("saved with Windows line ends")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", b"one\r\ntwo\r\nthree\r\nmine\r\n")
    s.teacher.commit({"a.txt": "zero\none\ntwo\nthree\n"})
    s.pull()
    hold("zero" in s.read("a.txt"), "the teacher's line never arrives")
    hold("mine" in s.read("a.txt"), "the student's line is gone")


@case("a binary file that both changed")
def _(s: Scene) -> None:
    s.pull()
    s.write("p.bin", b"\0mine")
    s.teacher.commit({"p.bin": b"\0theirs"})
    s.pull()
    hold((s.mine / "p.bin").read_bytes() == b"\0mine", "the student's is gone")


@case("no-op: no file is touched, no commit is made")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "mine\n")
    before, head = (s.mine / "a.txt").stat().st_mtime_ns, s.git("rev-parse", "HEAD")
    s.pull()
    hold((s.mine / "a.txt").stat().st_mtime_ns == before, "a file is written")
    hold(s.git("rev-parse", "HEAD") == head, "an automatic commit is made")


# Deleted files


@case("a deleted file comes back")
def _(s: Scene) -> None:
    s.pull()
    (s.mine / "a.txt").unlink()
    s.pull()
    hold(s.read("a.txt") == "one\ntwo\nthree\n", "it stays away")


@case("a file deleted with `git rm` comes back")
def _(s: Scene) -> None:
    s.pull()
    s.git("rm", "-q", "a.txt")
    s.pull()
    hold(s.read("a.txt") == "one\ntwo\nthree\n", "it stays away")


@case("a deleted `data[1].csv` comes back, its neighbour keeps the edit")
def _(s: Scene) -> None:
    s.teacher.commit({"data[1].csv": "odd\n", "data1.csv": "1\n"})
    s.pull()
    s.write("data1.csv", "mine\n")
    (s.mine / "data[1].csv").unlink()
    s.pull()
    hold(s.read("data1.csv") == "mine\n", "the neighbour's edit is destroyed")
    hold(s.read("data[1].csv") == "odd\n", "it stays away")


@case("a deleted file with a leading blank, or not UTF-8")
def _(s: Scene) -> None:
    odd = os.fsdecode(b"\xff odd.txt")
    s.teacher.commit({" lead.txt": "l\n", odd: "o\n"})
    s.pull()
    (s.mine / " lead.txt").unlink()
    (s.mine / odd).unlink()
    s.pull()
    hold(s.read(" lead.txt") == "l\n", "it stays away")
    hold(s.read(odd) == "o\n", "it stays away")


@case("deleted here, renamed upstream")
def _(s: Scene) -> None:
    s.pull()
    (s.mine / "a.txt").unlink()
    s.teacher.git("mv", "a.txt", "renamed.txt")
    s.teacher.commit({})
    s.pull()
    hold(s.read("renamed.txt"), "the renamed file is not there")


@case("deleted on both sides, with a name that is not ASCII (#234)")
def _(s: Scene) -> None:
    s.teacher.commit({"ünï.txt": "u\n"})
    s.pull()
    (s.mine / "ünï.txt").unlink()
    s.teacher.git("rm", "-q", "ünï.txt")
    s.teacher.commit({})
    s.pull()
    hold(not (s.mine / "ünï.txt").exists(), "it comes back")


@case("withdrawn upstream, edited by the student (#265), in a German shell")
def _(s: Scene) -> None:
    s.pull()
    s.write("b.txt", "mine\n")
    s.teacher.git("rm", "-q", "b.txt")
    s.teacher.commit({})
    s.pull(env={"LC_ALL": "C.UTF-8", "LANGUAGE": "de"})
    hold(s.read("b.txt") == "mine\n", "the student's work is gone")


# Files in the way


@case("the student's own file, upstream adds the name: moved aside")
def _(s: Scene) -> None:
    s.pull()
    s.write("extra.txt", "mine\n")
    s.teacher.commit({"extra.txt": "theirs\n"})
    s.pull()
    hold(s.read("extra.txt") == "theirs\n", "the teacher's is not there")
    hold(b"mine" in s.everything(), "the student's is gone")


@case("the same with a quote and umlauts in the name (#277)")
def _(s: Scene) -> None:
    s.pull()
    s.write('ü"x.txt', "mine\n")
    s.teacher.commit({'ü"x.txt': "theirs\n"})
    s.pull()
    hold(s.read('ü"x.txt') == "theirs\n", "the teacher's is not there")
    hold(b"mine" in s.everything(), "the student's is gone")


@case("upstream renames a file onto the student's own")
def _(s: Scene) -> None:
    s.pull()
    s.write("moved.txt", "mine\n")
    s.teacher.git("mv", "a.txt", "moved.txt")
    s.teacher.commit({})
    s.pull()
    hold(s.read("moved.txt").startswith("one"), "the teacher's is not there")
    hold(b"mine" in s.everything(), "the student's is gone")


@case("an identical file of the student's is no clutter")
def _(s: Scene) -> None:
    s.pull()
    s.write("extra.txt", "same\n")
    s.teacher.commit({"extra.txt": "same\n"})
    s.pull()
    hold(s.everything().count(b"same") == 1, "a needless copy is made")


@case("below a student's link to a shared folder: the shared file stays")
def _(s: Scene) -> None:
    s.pull()
    shared = s.root / "shared"
    shared.mkdir()
    (shared / "data.csv").write_text("everybody's\n")
    (s.mine / "data").symlink_to(shared)
    s.teacher.commit({"data/data.csv": "theirs\n"})
    code = s.try_pull()
    hold([p.name for p in shared.iterdir()] == ["data.csv"], "the shared file is renamed")
    hold((shared / "data.csv").read_text() == "everybody's\n", "the shared file is overwritten")
    hold(code == 0, "it fails")


@case("upstream turns a file into a folder, the student edited it")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "mine\n")
    s.teacher.git("rm", "-q", "a.txt")
    s.teacher.commit({"a.txt/inner.txt": "i\n"})
    s.pull()
    hold(s.read("a.txt/inner.txt") == "i\n", "the teacher's is not there")
    hold(b"mine" in s.everything(), "the student's is gone")


@case("upstream turns a file into a link, the student edited it")
def _(s: Scene) -> None:
    s.pull()
    s.write("b.txt", "mine\n")
    (s.teacher.folder / "b.txt").unlink()
    (s.teacher.folder / "b.txt").symlink_to("a.txt")
    s.teacher.commit({})
    s.pull()
    hold(b"mine" in s.everything(), "the student's is gone")
    s.teacher.commit({"new.txt": "n\n"})
    s.pull()


@case("upstream renames a file that the student edited")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\ntwo\nthree\nmine\n")
    s.teacher.git("mv", "a.txt", "renamed.txt")
    s.teacher.commit({})
    s.pull()
    hold((s.mine / "renamed.txt").exists(), "the renamed file is not there")
    hold(b"mine" in s.everything(), "the student's is gone")


@case("both rename the same file")
def _(s: Scene) -> None:
    s.pull()
    s.git("mv", "a.txt", "mine.txt")
    s.git("commit", "-qm", "mine")
    s.teacher.git("mv", "a.txt", "theirs.txt")
    s.teacher.commit({})
    s.pull()
    hold(s.read("theirs.txt").startswith("one"), "the teacher's is not there")
    hold(s.read("mine.txt").startswith("one"), "the student's is gone")


# The student's own git


@case("the student's commits stay reachable")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\ntwo\nmine\n")
    s.git("commit", "-qam", "my own work")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    hold("my own work" in s.git("log", "--all", "--format=%s"), "the commit is lost")
    hold("mine" in s.read("a.txt"), "the edit is gone")


@case("on a branch of the student's, HEAD detached, index dirty")
def _(s: Scene) -> None:
    s.pull()
    s.git("checkout", "-q", "-b", "own")
    s.write("a.txt", "one\ntwo\nmine\n")
    s.git("add", "a.txt")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    s.git("checkout", "-q", "--detach")
    s.teacher.commit({"b.txt": "b3\n"})
    s.pull()
    hold("mine" in s.read("a.txt"), "the edit is gone")
    hold(s.read("b.txt") == "b3\n", "the teacher's is not there")


@case("a merge that the student left half-way: no conflict marks stay")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\nmine\nthree\n")
    s.git("commit", "-qam", "mine")
    s.teacher.commit({"a.txt": "one\ntheirs\nthree\n"})
    s.git("fetch", "-q", "--unshallow", "origin", "main")
    s.git("merge", "-q", "FETCH_HEAD")
    hold("<<<<<<<" in s.read("a.txt"), "the case could not be made")
    s.pull()
    hold("<<<<<<<" not in s.read("a.txt"), "conflict marks become permanent")
    hold("mine" in s.read("a.txt"), "the edit is gone")


@case("locks that a killed git left (#30)")
def _(s: Scene) -> None:
    s.pull()
    for name in ("index.lock", "HEAD.lock"):
        (s.mine / ".git" / name).touch()
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    hold(s.read("b.txt") == "b2\n", "the teacher's is not there")


@case("a hook that fails, or core.hooksPath (#367)")
def _(s: Scene) -> None:
    s.pull()
    hooks = s.root / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text(f"#!/bin/sh\ntouch {s.root}/ran\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    s.git("config", "core.hooksPath", str(hooks))
    s.write("a.txt", "mine\n")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    hold(not (s.root / "ran").exists(), "the hook runs")


@case("git settings of the student's: gpgsign, ff=only, defaultRemoteName")
def _(s: Scene) -> None:
    config = s.root / "gitconfig"
    config.write_text(
        "[commit]\n\tgpgsign = true\n[merge]\n\tff = only\n[clone]\n\tdefaultRemoteName = up\n"
    )
    env = {"GIT_CONFIG_GLOBAL": str(config)}
    s.pull(env=env)
    s.write("a.txt", "one\ntwo\nmine\n")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull(env=env)
    hold(s.read("b.txt") == "b2\n", "the teacher's is not there")


# Rewritten history


@case("amended and force-pushed: the correction arrives")
def _(s: Scene) -> None:
    s.pull()
    s.teacher.commit({"a.txt": "one\nwrong\nthree\n"})
    s.pull()
    (s.teacher.folder / "a.txt").write_text("one\nright\nthree\n")
    s.teacher.git("commit", "-qa", "--amend", "-m", "better")
    s.pull()
    hold(s.read("a.txt") == "one\nright\nthree\n", "the wrong text stays for ever, exit code 0")


@case("reset to an older commit: what was withdrawn goes")
def _(s: Scene) -> None:
    s.teacher.commit({"solution.txt": "42\n"})
    s.pull()
    s.teacher.git("reset", "-q", "--hard", "HEAD^")
    s.pull()
    hold(not (s.mine / "solution.txt").exists(), "the withdrawn file stays, exit code 0")


@case("a new history without a common commit (#196)")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\ntwo\nmine\n")
    s.teacher.git("checkout", "-q", "--orphan", "fresh")
    s.teacher.commit({"new.txt": "n\n"})
    s.teacher.git("branch", "-M", "main")
    s.pull()
    hold(s.read("new.txt"), "the new file is not there")
    hold("mine" in s.read("a.txt"), "the edit is gone")


@case("another repository of the same name in the same folder")
def _(s: Scene) -> None:
    s.pull()
    Repo.create(s.server.root / s.root.name / "bob/course", {"bob.txt": "bob\n"})
    s.pull(url=s.server.url(f"{s.root.name}/bob/course"))
    hold(s.read("bob.txt"), "the old course stays, exit code 0")


@case("the repository moved to a new address")
def _(s: Scene) -> None:
    s.pull()
    s.teacher.folder.rename(s.teacher.folder.with_name("moved"))
    moved = Repo(s.teacher.folder.with_name("moved"))
    moved.commit({"new.txt": "n\n"})
    s.pull(url=s.server.url(f"{s.root.name}/moved"))
    hold(s.read("new.txt"), "the new file is not there")


# Damage


@case("`.git` was deleted (#354)")
def _(s: Scene) -> None:
    s.pull()
    s.write("a.txt", "one\ntwo\nmine\n")
    shutil.rmtree(s.mine / ".git")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    hold(b"mine" in s.everything(), "the edit is gone")
    hold(s.read("b.txt") == "b2\n", "the teacher's is not there")


@case("HEAD and index are damaged")
def _(s: Scene) -> None:
    s.pull()
    (s.mine / ".git/HEAD").write_bytes(b"")
    (s.mine / ".git/index").write_bytes(b"rubbish")
    s.teacher.commit({"b.txt": "b2\n"})
    s.pull()
    hold(s.read("b.txt") == "b2\n", "the teacher's is not there")


@case("`.git` was deleted inside of another checkout (#388)")
def _(s: Scene) -> None:
    outer = Repo.create(s.root / "outer", {"outer.txt": "o\n"})
    outside = Scene(outer.folder, s.server, s.puller, s.teacher)
    outside.pull(url=s.url)
    shutil.rmtree(outside.mine / ".git")
    head = outer.git("rev-parse", "HEAD")
    s.teacher.commit({"b.txt": "b2\n"})
    code = outside.try_pull(url=s.url)
    hold(outer.git("rev-parse", "HEAD") == head, "the outer repository is merged into")
    hold(not outer.git("for-each-ref", "refs/remotes"), "the outer repository is fetched into")
    hold(code == 0, "it fails")
    hold(outside.read("b.txt") == "b2\n", "the teacher's is not there")


@case("killed in the first pull")
def _(s: Scene) -> None:
    s.teacher.commit({f"f{n}.bin": os.urandom(200_000) for n in range(20)})
    for wait in (0.15, 0.3, 0.45):
        process = s.start()
        time.sleep(wait)
        process.kill()
        process.communicate()
    s.pull()
    hold((s.mine / "f19.bin").exists(), "files are missing")


@case("four pulls at once, an edit under way")
def _(s: Scene) -> None:
    s.pull()
    for turn in range(4):
        s.write("a.txt", f"one\ntwo\nthree\nmine {turn}\n")
        s.teacher.commit({"b.txt": f"b{turn}\n", f"new{turn}.txt": "n\n"})
        running = [s.start() for _ in range(4)]
        for one in running:
            one.communicate(timeout=120)
        s.pull()
        hold(f"mine {turn}" in s.read("a.txt"), "the student's line is lost")
        hold(s.read("b.txt") == f"b{turn}\n", "the teacher's change is reverted")


@case("read-only files and rights to execute")
def _(s: Scene) -> None:
    s.pull()
    (s.mine / "b.txt").chmod(0o444)
    (s.teacher.folder / "b.txt").write_text("b2\n")
    (s.teacher.folder / "b.txt").chmod(0o755)
    s.teacher.commit({})
    s.pull()
    hold(s.read("b.txt") == "b2\n", "the teacher's is not there")
    hold(os.access(s.mine / "b.txt", os.X_OK), "it cannot be executed")


@case("a private repository asks no question")
def _(s: Scene) -> None:
    s.server.password = "x:y"
    try:
        hold(s.try_pull() != 0, "exit code 0")
    finally:
        s.server.password = ""


@case("submodules are not a reason to stop, and are said")
def _(s: Scene) -> None:
    lib = Repo.create(s.server.root / s.root.name / "lib", {"lib.txt": "lib\n"})
    commit = lib.git("rev-parse", "HEAD").strip()
    s.teacher.commit({".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n'})
    s.teacher.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    s.teacher.git("commit", "-qm", "submodule")
    s.pull()
    told = "submodule" in s.said.lower() or "another repository" in s.said
    hold(told or s.read("lib/lib.txt"), "the folder is empty and nothing is said")


@case("LFS pointers are said aloud")
def _(s: Scene) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    s.teacher.commit({".gitattributes": "*.big filter=lfs diff=lfs\n", "x.big": pointer})
    s.pull()
    hold("LFS" in s.said, "nothing is said")


# Notebooks


def notebook(
    *sources: str, outputs: dict[int, str] | None = None, indent: int = 1, ids: bool = True
) -> str:
    cells = []
    for number, source in enumerate(sources):
        name, _, text = source.rpartition("|")
        cell: dict[str, object] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text.splitlines(keepends=True),
        }
        if ids:
            cell["id"] = name or f"c{number}"
        if outputs and number in outputs:
            cell["execution_count"] = number + 1
            cell["outputs"] = [
                {"name": "stdout", "output_type": "stream", "text": [outputs[number] + "\n"]}
            ]
        cells.append(cell)
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5 if ids else 4,
    }
    return json.dumps(whole, indent=indent, sort_keys=True) + "\n"


def sources(s: Scene) -> list[str]:
    try:
        found = json.loads(s.read("n.ipynb"))
    except ValueError:
        hold(False, "the notebook is not JSON any more")
    return ["".join(cell["source"]) for cell in found["cells"]]


def play(s: Scene, base: str, mine: str, theirs: str) -> list[str]:
    """The student's and the teacher's version of one notebook; the cells after the pull."""
    s.teacher.commit({"n.ipynb": base})
    s.pull()
    s.write("n.ipynb", mine)
    s.teacher.commit({"n.ipynb": theirs})
    s.pull()
    return sources(s)


RAN = {0: "1", 1: "2", 2: "3"}


@case("notebook: the student ran all, the teacher inserts a code cell")
def _(s: Scene) -> None:
    cells = ("x|a = 1", "y|b = 2", "z|c = 3")
    base, ran = notebook(*cells), notebook(*cells, outputs=RAN)
    found = play(s, base, ran, notebook(cells[0], "new|n = 0", *cells[1:]))
    hold("n = 0" in found, "the new cell never arrives")
    hold(
        '"text": [\n      "2' in s.read("n.ipynb") or '"2\\n"' in s.read("n.ipynb"), "outputs gone"
    )


@case("notebook: the student edits one cell, the teacher another, and inserts")
def _(s: Scene) -> None:
    base = notebook("x|a = 1", "y|b = 2", "z|c = 3")
    mine = notebook("x|a = 1", "y|b = 2 # mine", "z|c = 3", outputs=RAN)
    found = play(s, base, mine, notebook("x|a = 1 # theirs", "new|n = 0", "y|b = 2", "z|c = 3"))
    hold("b = 2 # mine" in found, "the student's cell is altered")
    hold("a = 1 # theirs" in found and "n = 0" in found, "a cell of the teacher's is missing")


@case("notebook: solutions released in the cells that the student filled")
def _(s: Scene) -> None:
    base = notebook("x|def f():\n    # your code\n    pass", "y|f()")
    mine = notebook("x|def f():\n    # your code\n    return 1", "y|f()")
    theirs = notebook("x|def f():\n    # the solution\n    return 42", "y|f()")
    found = play(s, base, mine, theirs)
    hold("def f():\n    # your code\n    return 1" in found, "the student's source is spliced")
    hold(any("return 42" in one for one in found), "the solution never arrives")


@case("notebook: the teacher re-indents")
def _(s: Scene) -> None:
    cells = ("x|a = 1", "y|b = 2")
    mine = notebook(*cells, outputs={0: "1", 1: "2"})
    found = play(s, notebook(*cells), mine, notebook(*cells, "new|n = 0", indent=2))
    hold("n = 0" in found, "the new cell never arrives")


@case("notebook: the teacher moves and deletes cells")
def _(s: Scene) -> None:
    base = notebook("x|a = 1", "y|b = 2", "z|c = 3", "w|d = 4")
    mine = notebook("x|a = 1", "y|b = 2", "z|c = 3 # mine", "w|d = 4", outputs={0: "1", 2: "3"})
    found = play(s, base, mine, notebook("z|c = 3", "x|a = 1", "w|d = 4"))
    hold("c = 3 # mine" in found, "the student's cell is gone")
    hold("b = 2" not in found, "the deleted cell stays")
    hold(found.index("c = 3 # mine") < found.index("a = 1"), "the move never arrives")


@case("notebook: both ran and both changed; the result is a valid notebook")
def _(s: Scene) -> None:
    import nbformat

    base = notebook("x|a = 1", "y|b = 2", "z|c = 3", outputs={0: "old", 1: "old"})
    mine = notebook("x|a = 1", "y|b = 5", "z|c = 3", outputs={0: "m0", 1: "m1", 2: "m2"})
    theirs = notebook("x|a = 9", "y|b = 2", "z|c = 3", outputs={0: "t0", 1: "t1", 2: "t2"})
    found = play(s, base, mine, theirs)
    hold("b = 5" in found, "the student's cell is gone")
    hold("a = 9" in found, "the teacher's cell never arrives")
    try:
        nbformat.validate(json.loads(s.read("n.ipynb")))
    except nbformat.ValidationError:
        hold(False, "it is no valid notebook")


@case("notebook: the student's Jupyter adds cell ids (4.4 to 4.5)")
def _(s: Scene) -> None:
    base = notebook("a = 1", "b = 2", ids=False)
    mine = notebook("r1|a = 1", "r2|b = 2 # mine", outputs={0: "1"})
    found = play(s, base, mine, notebook("a = 1", "n = 0", "b = 2", ids=False))
    hold("n = 0" in found, "the new cell never arrives")
    hold("b = 2 # mine" in found, "the student's cell is gone")
