"""A pull by a person, into a folder of this machine: no mirror, no session, the same rules."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment, GitHostDown, HostNotAllowed
from envs.git import Git, GitFailed
from envs.hosts import host_of
from launcher.content.clone import BASE_REF, lfs_note, make_clone
from launcher.content.packs import write_pack
from launcher.content.receipt import Receipt
from launcher.content.reconcile.errors import CannotPull, NeedObjects
from launcher.content.reconcile.git import Git as PlainGit
from launcher.content.reconcile.paths import SUBMODULE
from launcher.content.reconcile.pull import Request
from launcher.content.reconcile.pull import pull as reconcile
from launcher.content.shape import INCOMPLETE, shape_commit
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
    try:
        folder = Path(os.path.realpath(folder))
        host_of(url)
        upstream = pick(url, branch, ask(url, git=git), time.time())
        with set_aside(folder, wanted=backup) as notes:
            if not os.path.lexists(folder):
                receipt = first(upstream, folder, depth=depth, git=git)
            else:
                keep = (snapshots, snapshot_days)
                receipt = again(upstream, folder, depth=depth, keep=keep, git=git)
    except BadEnvironment as error:
        raise ContentNotFound(error.message, hint=error.hint) from error
    except (GitHostDown, HostNotAllowed) as error:
        raise ContentFailed(error.message, hint=error.hint) from error
    except CannotPull as error:
        raise ContentFailed(str(error), hint=error.hint) from error
    except (GitFailed, NeedObjects) as error:
        raise ContentFailed(f"The content could not be brought here: {error}") from error
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror}."
        raise ContentFailed(said, hint="Make it writable, or name another folder.") from error
    return replace(receipt, notes=(*receipt.notes, *notes))


@contextlib.contextmanager
def set_aside(folder: Path, *, wanted: bool) -> Iterator[tuple[str, ...]]:
    """Rename the folder to a name that does not exist, and back where nothing comes in its place.

    Yields what to say of it.
    """
    if not wanted or not os.path.lexists(folder):
        yield ()
        return
    plain = folder.with_name(f"{folder.name}_backup_{time.strftime('%Y%m%d%H%M%S')}")
    free, number = plain, 1
    while os.path.lexists(free):
        number += 1
        free = plain.with_name(f"{plain.name}_{number}")
    folder.rename(free)
    try:
        yield (f"What was there is now {free}",)
    finally:
        if not os.path.lexists(folder):
            free.rename(folder)


def first(upstream: Upstream, folder: Path, *, depth: int, git: Git) -> Receipt:
    """A fresh clone; it appears when it is complete."""

    def bring(made: Path) -> Upstream:
        got = fetch(upstream, upstream.repo, str(made), into=BASE_REF, depth=depth, git=git)
        shaped = with_submodules(got, made, git=git)
        if shaped.of:
            git.run("--git-dir", str(made), "update-ref", BASE_REF, shaped.commit)
        return shaped

    got = make_clone(upstream, folder, bring, git=git)
    if not (folder / ".git").is_dir():  # somebody was faster with something else
        raise ContentFailed(f"{folder} appeared meanwhile.", hint="Pull again.")
    at = ("--git-dir", str(folder / ".git"))
    listed = git.run(*at, "ls-tree", "-r", "-z", "--name-only", "HEAD")
    new = tuple(map(shown, listed.split("\0")[:-1]))
    return Receipt(before="", after=got.newest, new=new, notes=(*got.notes, *lfs_note(folder)))


def with_submodules(upstream: Upstream, bare: Path, *, git: Git) -> Upstream:
    """The commit with its submodules filled in; what they need is fetched into `bare`."""
    host, port = host_of(upstream.repo)
    # Whoever pulls from a host of their own may have its submodules from there, too.
    known = replace(git, hosts=(*git.hosts, f"{host}:{port}" if port else host))

    def bring(repo: str, commit: str) -> None:
        one = Upstream(repo, commit, commit, time.time(), kind="commit")
        ref = f"refs/launcher/submodules/{commit}"
        fetch(one, repo, str(bare), into=ref, depth=1, git=known)

    shape = shape_commit(
        bare, upstream.commit, repo=upstream.repo, only=None, bring=bring, git=known
    )
    if shape.commit == upstream.commit:
        return upstream
    return replace(upstream, commit=shape.commit, of=upstream.commit, notes=shape.notes)


def shown(name: str) -> str:
    """A file name that is no text, with its odd bytes visible."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def again(
    upstream: Upstream, folder: Path, *, depth: int, keep: tuple[int, float], git: Git
) -> Receipt:
    """Reconcile; asks the git host for objects only when the commit is not here yet."""
    commit = here_already(folder, upstream.commit)
    if commit:
        try:
            return run(upstream, commit, folder, (), keep=keep)
        except NeedObjects:
            pass
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name) / "fetched.git"
        git.run("init", "--quiet", "--bare", "--template=", "--", str(bare))
        # Nothing of the folder is borrowed, for it may be damaged.
        got = fetch(upstream, upstream.repo, str(bare), into=BASE_REF, depth=depth, git=git)
        (pack,) = (bare / "objects/pack").glob("*.pack")
        shaped = with_submodules(got, bare, git=git)
        if shaped.of:
            pack = Path(name) / "shaped.pack"
            write_pack(bare, shaped.commit, None, pack, git=git)
        receipt = run(shaped, shaped.commit, folder, shallow_of(bare), keep=keep, pack=pack)
        return replace(receipt, notes=(*shaped.notes, *receipt.notes))


def here_already(folder: Path, commit: str) -> str | None:
    """The commit to bring, where the folder has all of it: upstream's, or ours made of it."""
    inside = PlainGit(os.fsencode(folder))
    if not os.path.isdir(inside.dir) or os.path.islink(inside.dir):
        return None
    base = inside.run("cat-file", "commit", BASE_REF).out.decode("utf-8", "replace")
    if f"parent {commit}\n" in base and "\nauthor launcher <launcher@localhost>" in base:
        return None if base.rstrip().endswith(INCOMPLETE) else inside.commit(BASE_REF)
    try:
        tree = inside.tree(commit)
    except NeedObjects:
        return None
    return None if any(entry.mode == SUBMODULE for entry in tree.values()) else commit


def shallow_of(bare: Path) -> tuple[str, ...]:
    try:
        return tuple((bare / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return ()


def run(
    upstream: Upstream,
    commit: str,
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
        commit=commit,
        branch=upstream.branch,
        shallow=shallow,
        keep=keep[0],
        keep_days=keep[1],
    )
    receipt = Receipt.from_json(reconcile(request, str(pack) if pack else None))
    # A commit of our own making is no news to the person; the upstream's is.
    before = upstream.newest if receipt.before == commit else receipt.before
    return replace(receipt, before=before, after=upstream.newest)
