"""A normal git clone of an upstream commit, as a student finds it on first sight.

Files are exactly the bytes of the commit: no filter and no line-end conversion of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from envs.git import Git
from launcher.content.upstream import Upstream

STUDENT = 1000
"""User and group id of the student inside every image."""
BASE_REF = "refs/launcher/base"
"""The upstream commit of the last pull; the reconcile program reads and moves it."""
NO_LOGS = ("-c", "core.logAllRefUpdates=false")
"""Nothing that the student did has happened yet."""
RAW = "* -text !eol -ident !filter !working-tree-encoding\n"
NEEDED = ("objects", "refs")
"""Folders without which git sees no repository."""

Bring = Callable[[Path], Upstream]
"""Brings the commit into a git folder under `BASE_REF`; says what came."""


def make_clone(
    upstream: Upstream, target: Path, bring: Bring, *, git: Git, owner: int | None = None
) -> Upstream:
    """Make `target` a clone of the commit; it appears at once and never over anything.

    Root gives it to `owner`, so that a copy is theirs without a walk through all of it.

    The answer is the upstream as it came.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}.new-"))
    try:
        branch = upstream.branch or "main"
        git.run("init", "--quiet", "--template=", f"--initial-branch={branch}", "--", str(made))
        got = bring(made / ".git")
        check_out(got, made, git=git)
        pack(made, git=git)
        made.chmod(0o755)
        if owner is not None and os.geteuid() == 0:
            command = ["chown", "--no-dereference", "--recursive", f"{owner}:{owner}", "--"]
            subprocess.run([*command, str(made)], check=True, capture_output=True)
        move_into_place(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return got


def check_out(upstream: Upstream, made: Path, *, git: Git) -> None:
    """HEAD, index, files and remote of a fresh clone whose objects are there."""
    attributes = made / ".git/info/attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(RAW)
    branch, commit = upstream.branch, upstream.commit
    if branch:
        named = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
        git.run(
            *NO_LOGS,
            *("update-ref", "--stdin"),
            cwd=made,
            stdin="".join(f"update {n} {commit}\n" for n in named),
        )
    else:
        git.run(*NO_LOGS, "update-ref", "--no-deref", "HEAD", commit, cwd=made)
    with (made / ".git/config").open("a", encoding="utf-8") as config:
        config.write(config_of(upstream))
    git.run("read-tree", "-m", "-u", upstream.commit, cwd=made, timeout=600)
    attributes.unlink()


def pack(made: Path, *, git: Git) -> None:
    """Leave as few files and folders in `.git` as git allows: each is copied for each student."""
    git.run("pack-refs", "--all", cwd=made)
    for folder, _, _ in os.walk(made / ".git", topdown=False):
        if os.path.basename(folder) not in NEEDED and not os.listdir(folder):
            os.rmdir(folder)


def config_of(upstream: Upstream) -> str:
    """What git notes in a clone: where it is from, and what its branch follows."""
    parts = [
        '[remote "origin"]',
        f"\turl = {quoted(upstream.repo)}",
        "\tfetch = +refs/heads/*:refs/remotes/origin/*",
    ]
    if upstream.branch:
        parts += [
            f"[branch {quoted(upstream.branch)}]",
            "\tremote = origin",
            f"\tmerge = {quoted(upstream.full_ref)}",
        ]
    return "\n".join(parts) + "\n"


def quoted(text: str) -> str:
    """A value as git's settings files hold it; names of branches and addresses have no newline."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def move_into_place(made: Path, target: Path) -> None:
    """Rename, unless somebody else was faster or something is there."""
    try:
        made.rename(target)
    except OSError:
        if not target.exists():
            raise


UNUSED = 7 * 86400.0
"""Seconds after which something prepared that nobody asked for is removed; it can be made again."""


def once(target: Path, make: Callable[[], object]) -> Path:
    """`target`, made if it is not there yet; what is there is complete."""
    if not target.exists():
        make()
        remove_unused(target.parent)
    os.utime(target)
    return target


def remove_unused(folder: Path) -> None:
    """Remove what was prepared here and not used for a week, and what a crash left unfinished."""
    for path in folder.iterdir():
        try:
            if time.time() - path.lstat().st_mtime < UNUSED:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue


def lfs_note(clone: Path) -> tuple[str, ...]:
    """Large files that the repository keeps elsewhere are said aloud."""
    attributes = clone / ".gitattributes"
    with_lfs = (
        not attributes.is_symlink()
        and attributes.is_file()
        and b"filter=lfs" in attributes.read_bytes()
    )
    if not with_lfs:
        return ()
    return ("Some files are kept in Git LFS; here they are small pointers to the real ones",)
