"""The student's own commits and staged files stay reachable when HEAD moves to the upstream."""

from __future__ import annotations

import os
import time
from typing import Dict, List, Optional

from .git import Git

KEPT = "refs/launcher/kept/"
EMPTY_TREES = ("4b825dc642cb6eb9a060e54bf8d69288fbee4904",)


def keep_own_commits(git: Git, refs: Dict[str, str], commit: str, base: Optional[str]) -> List[str]:
    """Give a name under `refs/launcher/kept/` to all that the pull would leave without one."""
    upstream = {commit, base, *(one for name, one in refs.items() if is_upstream(name))}
    kept = 0
    for own in (git.commit("HEAD"), *unfinished_commits(git)):
        if own and own not in upstream and not is_ancestor(git, own, commit):
            kept += keep(git, own)
    for name, own in refs.items():
        moved = name.startswith("refs/heads/") and own not in upstream
        if moved and not is_ancestor(git, own, commit):
            kept += keep(git, own)
    staged = staged_commit(git, upstream)
    if staged:
        keep(git, staged)
    if not kept:
        return []
    return ["Your own commits are kept; `git log --all` shows them under %s" % KEPT.rstrip("/")]


def is_upstream(name: str) -> bool:
    return name == "refs/launcher/base" or name.startswith("refs/remotes/origin/")


def is_ancestor(git: Git, one: str, other: str) -> bool:
    return git.run("merge-base", "--is-ancestor", one, other).code == 0


def unfinished_commits(git: Git) -> List[str]:
    """Commits that only an unfinished merge, rebase or cherry-pick names."""
    found = []
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge/autostash"):
        path = os.path.join(git.dir, name.encode())
        if os.path.isfile(path):
            with open(path, errors="replace") as file:
                found += [git.commit(line.strip()) or "" for line in file if line.strip()]
    return found


def keep(git: Git, commit: str) -> int:
    """1 when the commit was not kept yet."""
    listed = git.run("for-each-ref", "--format=%(refname)", "--points-at", commit, KEPT)
    if listed.out.strip():
        return 0
    name = "%s%s-%s" % (KEPT, time.strftime("%Y%m%d-%H%M%S", time.gmtime()), commit[:10])
    git.must("update-ref", name, commit)
    return 1


def staged_commit(git: Git, upstream: set[Optional[str]]) -> Optional[str]:
    """A commit of what is staged but not committed, where that differs from every known tree."""
    tree = git.run("write-tree").out.decode().strip()
    if not tree or tree in EMPTY_TREES:
        return None
    for one in ("HEAD", *(known for known in upstream if known)):
        done = git.run("rev-parse", "--verify", "--quiet", one + "^{tree}")
        if done.out.decode().strip() == tree:
            return None
    if tree_is_kept(git, tree):
        return None
    head = git.commit("HEAD")
    parents = ("-p", head) if head else ()
    made = git.run("commit-tree", tree, *parents, "-m", "What was staged before a pull")
    return made.out.decode().strip() or None


def tree_is_kept(git: Git, tree: str) -> bool:
    listed = git.run("for-each-ref", "--format=%(tree)", KEPT).out.decode().split()
    return tree in listed
