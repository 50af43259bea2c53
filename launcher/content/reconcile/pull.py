"""The story of one pull inside the session, from a request to what it did."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import gitdir
from .errors import CannotPull, NeedObjects
from .git import Blobs, Git, Tree, pairs
from .journal import Journal
from .own import keep_own_commits
from .paths import SUBMODULE, Paths, name_of
from .snapshots import Snapshot, forget_old
from .work import Work

BASE = "refs/launcher/base"
"""The upstream commit of the last pull: written last, so a killed pull starts from the old one."""
ASIDE = b"launcher-aside"
"""In `.git`: the names of what stood where the folder belongs, until a student was told."""
LARGEST_NOTE = 1_000_000
"""Characters of it that are read."""
MARKS = (b"\n<<<<<<< ", b"\n>>>>>>> ")


class Request(NamedTuple):
    """What the launcher asks for."""

    folder: str
    url: str
    commit: str
    branch: str
    """The local branch; empty for a tag or commit, which HEAD then names itself."""
    shallow: Tuple[str, ...] = ()
    """Commits among those sent whose parents were not sent."""
    base: str = ""
    """What the launcher last delivered here, where the folder does not know."""
    date: str = ""
    keep: int = 20
    """Snapshots that are kept."""
    keep_days: float = 60.0


def pull(request: Request, pack: Optional[str]) -> Dict[str, Any]:
    """Bring the commit into the folder; what was done, as JSON.

    `pack` is a file of git objects that may be missing here.

    :raises CannotPull: with the way out; nothing of the student's is lost.
    :raises NeedObjects: the pack was not enough.
    """
    request = request._replace(date=request.date or time.strftime("%Y-%m-%d"))
    folder = os.path.abspath(os.fsencode(request.folder))
    moved = make_way(request)
    try:
        os.makedirs(folder, exist_ok=True)
    except PermissionError:
        raise
    except OSError as error:
        raise CannotPull(
            "%s cannot be used: %s." % (request.folder, error.strerror),
            "Rename what is there, or make room.",
        ) from error
    with gitdir.locked(folder):
        return pull_locked(request, Git(folder), pack, moved)


def make_way(request: Request) -> List[List[str]]:
    """A file or link of the student's where the folder belongs is moved aside: its two names.

    Only below the home, where the program runs; elsewhere who named the folder is asked.
    """
    path = os.fsencode(request.folder)
    if os.path.isabs(path):
        return []
    home = Work(os.getcwdb(), b"")
    found = home.in_the_way(path + b"/.")
    if found is None:
        return []
    return [[name_of(found), name_of(home.move_aside(found, "yours %s" % request.date, ()))]]


def remembered(git: Git, moved: List[List[str]]) -> List[List[str]]:
    """What was moved from the folder's place, also by a pull that then lacked objects."""
    path = os.path.join(git.dir, ASIDE)  # in a student's own folder, so it may be anything
    if moved:
        forget(git)
        with contextlib.suppress(OSError), open(path, "x", encoding="ascii") as file:
            json.dump(moved, file)
    elif os.path.isfile(path):
        with contextlib.suppress(ValueError, RecursionError, OSError):
            with open(path, encoding="ascii") as file:
                found = json.loads(file.read(LARGEST_NOTE))
            moved = [one for one in found if is_pair(one)] if isinstance(found, list) else []
    return moved


def is_pair(found: Any) -> bool:
    return isinstance(found, list) and [type(one) for one in found] == [str, str]


def forget(git: Git) -> None:
    """What was moved has been told."""
    with contextlib.suppress(OSError):  # none there, or a folder of the student's
        os.unlink(os.path.join(git.dir, ASIDE))


def take_objects(request: Request, pack: Optional[str]) -> None:
    """Only take the objects of one of several packs."""
    git = Git(os.path.abspath(os.fsencode(request.folder)))
    with gitdir.locked(git.folder):
        gitdir.ensure_git_dir(git, request.branch, request.date or time.strftime("%Y-%m-%d"))
        take_pack(git, pack)


def pull_locked(
    request: Request, git: Git, pack: Optional[str], moved: List[List[str]]
) -> Dict[str, Any]:
    notes = gitdir.ensure_git_dir(git, request.branch, request.date)
    moved = remembered(git, moved)
    gitdir.clear_locks(git)
    take_pack(git, pack)
    write_shallow(git, request.shallow)
    new = whole_tree(git, request.commit)
    refs = git.refs()
    base_commit, base = find_base(git, refs, request)
    work = Work(git.folder, os.path.join(git.dir, b"launcher-tmp"), len(request.commit))
    work.clear_temp()
    snapshot = work.before = Snapshot(
        git.dir, "before an update", before=base_commit or "", after=request.commit
    )
    notes += lift_half_merged(git, work, request.date)
    journal = Journal(os.path.join(git.dir, b"launcher-merged"), base_commit, request.commit)
    with Blobs(git) as blobs:
        paths = Paths(
            work,
            blobs,
            base,
            new,
            date=request.date,
            journal=journal,
            find_renames=lambda: git.renames(base_commit, request.commit),
        )
        try:
            paths.apply()
        except PermissionError:  # the rights are given back, then all begins again
            remembered(git, [*moved, *([old, new] for old, new in paths.moved)])
            raise
        notes += lfs_note(blobs, base, new)
    if paths.changed or not is_settled(git, refs, request):
        notes += keep_own_commits(git, refs, request.commit, base_commit)
        settle(git, request)
    journal.forget()
    forget(git)
    forget_old(git.dir, number=request.keep, days=request.keep_days)
    os.rmdir(work.temp)
    return {
        "before": base_commit or "",
        "after": request.commit,
        "snapshot": snapshot.id,
        "kept": paths.kept,
        "moved": [*moved, *paths.moved],
        **{name: found for name, found in paths.lists.items() if name != "notes"},
        "notes": [*notes, *paths.lists["notes"]],
    }


def take_pack(git: Git, pack: Optional[str]) -> None:
    """Put the objects that were sent among those of the clone."""
    if not pack or not os.path.getsize(pack):
        return
    gitdir.clear_half_packs(git)
    try:
        with open(pack, "rb") as file:
            done = git.run("index-pack", "--stdin", "--fix-thin", file=file)
    finally:
        gitdir.clear_half_packs(git)
    if done.code != 0:
        done.check_disk("index-pack")
        raise NeedObjects(done.err)


def write_shallow(git: Git, commits: Tuple[str, ...]) -> None:
    """Tell git where the history that was sent ends."""
    path = os.path.join(git.dir, b"shallow")
    try:
        with open(path, encoding="ascii") as file:
            known = file.read().split()
    except (OSError, ValueError):
        known = []
    added = [one for one in commits if one not in known and not has_parents(git, one)]
    if added:
        with open(path + b".launcher", "w", encoding="ascii") as file:
            file.write("".join(one + "\n" for one in [*known, *added]))
        os.replace(path + b".launcher", path)


def has_parents(git: Git, commit: str) -> bool:
    """True when the commits before it are here: a clone with history keeps it."""
    head = git.run("cat-file", "commit", commit).out.split(b"\n\n", 1)[0]
    parents = [line[7:].decode() for line in head.split(b"\n") if line.startswith(b"parent ")]
    return bool(parents) and all(git.commit(parent) == parent for parent in parents)


def whole_tree(git: Git, commit: str) -> Tree:
    """The tree of the commit, all of it here before anything is changed."""
    if git.commit(commit) != commit:
        raise NeedObjects(commit)
    tree = git.tree(commit)
    git.check_objects(entry.oid for entry in tree.values() if entry.mode != SUBMODULE)
    return tree


def find_base(git: Git, refs: Dict[str, str], request: Request) -> Tuple[Optional[str], Tree]:
    """What the student last got from upstream, whoever brought it; nothing for a strange folder.

    A student may have pulled with git: then HEAD contains what origin's branch names here.
    """
    recorded = refs.get(BASE)
    tracked = refs.get("refs/remotes/origin/%s" % (request.branch or "HEAD"))
    candidates: List[Optional[str]] = [recorded, request.base]
    newer = not recorded or (tracked and contains(git, tracked, recorded))
    if tracked and tracked != recorded and newer and contains(git, "HEAD", tracked):
        candidates.insert(0, tracked)
    candidates.append(merge_base(git, tracked))
    missing = False
    for commit in candidates:
        if not commit:
            continue
        try:
            tree = git.tree(commit)
            git.check_objects(entry.oid for entry in tree.values() if entry.mode != SUBMODULE)
            return commit, tree
        except NeedObjects:
            missing = True
    if missing and request.base:
        raise NeedObjects("base")
    return None, {}


def contains(git: Git, commit: str, older: str) -> bool:
    return git.run("merge-base", "--is-ancestor", older, commit).code == 0


def merge_base(git: Git, tracked: Optional[str]) -> Optional[str]:
    """For a clone that others made: where the student's commits left the upstream."""
    if not tracked:
        return None
    done = git.run("merge-base", "HEAD", tracked)
    return done.out.decode().strip() or None


def lift_half_merged(git: Git, work: Work, date: str) -> List[str]:
    """Where the student's own `git pull` stopped half-way: their version back in its place.

    The file with the conflict marks in it is kept beside.
    """
    listed = git.run("ls-files", "-u", "-z")
    if listed.code != 0:
        index = os.path.join(git.dir, b"index")
        if os.path.lexists(index):
            os.unlink(index)  # damaged; it holds nothing that the files do not
        return []
    notes = []
    for about, path in pairs(listed.out):
        mode, oid, stage = about.split(b" ")
        found = work.look(path) if stage == b"2" else None
        if found is None or found.kind != "file" or mode not in (b"100644", b"100755"):
            continue
        text = b"\n" + work.read(path)
        if all(mark in text for mark in MARKS):
            blob = git.run("cat-file", "blob", oid.decode())
            if blob.code == 0:
                aside = work.move_aside(path, "half-merged %s" % date, ())
                work.write(path, blob.out, mode=mode)
                notes.append(
                    "%s was half-merged; that state is in %s" % tuple(map(name_of, (path, aside)))
                )
    return notes


def lfs_note(blobs: Blobs, base: Tree, new: Tree) -> List[str]:
    """Large files that the repository keeps elsewhere are said aloud."""
    entry = new.get(b".gitattributes")
    if entry is None or base.get(b".gitattributes") == entry:
        return []
    if b"filter=lfs" not in blobs.read(entry.oid):
        return []
    return ["Some files are kept in Git LFS; here they are small pointers to the real ones"]


def is_settled(git: Git, refs: Dict[str, str], request: Request) -> bool:
    """True when HEAD, base and origin are where a pull of this commit leaves them."""
    if refs.get(BASE) != request.commit or git.commit("HEAD") != request.commit:
        return False
    head = git.run("symbolic-ref", "--quiet", "HEAD").out.decode().strip()
    url = git.run("config", "--get", "remote.origin.url").out.decode().strip()
    wanted = "refs/heads/%s" % request.branch if request.branch else ""
    return head == wanted and url == request.url


def settle(git: Git, request: Request) -> None:
    """HEAD and index at the upstream commit, so that git shows exactly the student's changes."""
    commit, branch = request.commit, request.branch
    index = os.path.join(git.dir, b"launcher-index")
    git.must("read-tree", commit, index=index)
    head = "refs/heads/%s" % branch
    named = bool(branch) and git.run("update-ref", head, commit).code == 0
    if named:
        git.must("symbolic-ref", "HEAD", head)
        git.run("update-ref", "refs/remotes/origin/%s" % branch, commit)
        git.run("config", "branch.%s.remote" % branch, "origin")
        git.run("config", "branch.%s.merge" % branch, head)
    else:
        git.must("update-ref", "--no-deref", "HEAD", commit)
    os.replace(index, os.path.join(git.dir, b"index"))
    gitdir.clear_unfinished(git)
    git.run("config", "remote.origin.url", request.url)
    fetch = "+refs/heads/*:refs/remotes/origin/*"
    if git.run("config", "--get", "remote.origin.fetch").code != 0:
        git.run("config", "remote.origin.fetch", fetch)
    git.must("update-ref", BASE, commit)
