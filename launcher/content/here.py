"""A pull by a person, into a folder of this machine: no mirror, no session, the same rules."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment, GitHostDown
from envs.git import Git, GitFailed, host_of
from launcher.content.clone import BASE_REF, make_clone
from launcher.content.receipt import Receipt
from launcher.content.reconcile.errors import CannotPull, NeedObjects
from launcher.content.reconcile.pull import Request
from launcher.content.reconcile.pull import pull as reconcile
from launcher.content.upstream import Upstream, ask, fetch, pick
from launcher.errors import ContentFailed, ContentNotFound


def pull_here(
    url: str,
    folder: Path,
    *,
    branch: str = "",
    depth: int = 1,
    backup: bool = False,
    git: Git,
    snapshots: int = 20,
    snapshot_days: float = 60.0,
) -> Receipt:
    """Bring what `branch` names now into `folder`; a folder that is missing or empty is made.

    What was there before is kept as up to `snapshots` snapshots, for `snapshot_days`.
    A person may name any host, so the allow-list for links is not asked.

    :raises ContentNotFound: the repository is missing or private, or no git address.
    :raises UnknownBranch: it has no branch, tag or commit of this name.
    :raises ContentFailed: the content is not in place; what was in the folder is untouched.
    """
    folder = Path(os.path.realpath(folder))
    try:
        host_of(url)
        upstream = pick(url, branch, ask(url, git=git), time.time())
        notes = set_aside(folder) if backup else ()
        if not os.path.lexists(folder) or is_empty(folder):
            receipt = first(upstream, folder, depth=depth, git=git)
        else:
            keep = (snapshots, snapshot_days)
            receipt = again(upstream, folder, depth=depth, keep=keep, git=git)
    except BadEnvironment as error:
        raise ContentNotFound(error.message, hint=error.hint) from error
    except GitHostDown as error:
        raise ContentFailed(error.message, hint=error.hint) from error
    except CannotPull as error:
        raise ContentFailed(str(error), hint=error.hint) from error
    except (GitFailed, NeedObjects) as error:
        raise ContentFailed(f"The content could not be brought here: {error}") from error
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror}."
        raise ContentFailed(said, hint="Make it writable, or name another folder.") from error
    return replace(receipt, notes=(*receipt.notes, *notes))


def is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def set_aside(folder: Path) -> tuple[str, ...]:
    """Rename the folder to a name that does not exist."""
    if not os.path.lexists(folder):
        return ()
    plain = folder.with_name(f"{folder.name}_backup_{time.strftime('%Y%m%d%H%M%S')}")
    free, number = plain, 1
    while os.path.lexists(free):
        number += 1
        free = plain.with_name(f"{plain.name}_{number}")
    folder.rename(free)
    return (f"What was there is now {free}",)


def first(upstream: Upstream, folder: Path, *, depth: int, git: Git) -> Receipt:
    """A fresh clone; it appears when it is complete."""

    def bring(made: Path) -> Upstream:
        return fetch(upstream, upstream.repo, str(made), into=BASE_REF, depth=depth, git=git)

    got = make_clone(upstream, folder, bring, git=git)
    if not (folder / ".git").is_dir():  # somebody was faster with something else
        raise ContentFailed(f"{folder} appeared meanwhile.", hint="Pull again.")
    at = ("--git-dir", str(folder / ".git"))
    listed = git.run(*at, "ls-tree", "-r", "-z", "--name-only", "HEAD")
    return Receipt(before="", after=got.commit, new=tuple(map(shown, listed.split("\0")[:-1])))


def shown(name: str) -> str:
    """A file name that is no text, with its odd bytes visible."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def again(
    upstream: Upstream, folder: Path, *, depth: int, keep: tuple[int, float], git: Git
) -> Receipt:
    """Reconcile; asks the git host for objects only when the commit is not here yet."""
    try:
        return run(upstream, folder, (), keep=keep)
    except NeedObjects:
        pass
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name) / "fetched.git"
        git.run("init", "--quiet", "--bare", "--template=", "--", str(bare))
        # One pack, whatever its size; nothing of the folder is borrowed, for it may be damaged.
        git.run("--git-dir", str(bare), "config", "fetch.unpackLimit", "1")
        got = fetch(upstream, upstream.repo, str(bare), into=BASE_REF, depth=depth, git=git)
        (pack,) = (bare / "objects/pack").glob("*.pack")
        return run(got, folder, shallow_of(bare), keep=keep, pack=pack)


def shallow_of(bare: Path) -> tuple[str, ...]:
    try:
        return tuple((bare / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return ()


def run(
    upstream: Upstream,
    folder: Path,
    shallow: tuple[str, ...],
    *,
    keep: tuple[int, float],
    pack: Path | None = None,
) -> Receipt:
    """The reconcile program, in this process."""
    request = Request(
        folder=str(folder),
        url=upstream.repo,
        commit=upstream.commit,
        branch=upstream.branch,
        shallow=shallow,
        keep=keep[0],
        keep_days=keep[1],
    )
    return Receipt.from_json(reconcile(request, str(pack) if pack else None))
