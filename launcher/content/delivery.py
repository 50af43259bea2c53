"""The content of a launch into the student's folder: placed when new, reconciled when not.

The host copies only from its own prepared clone, and runs git only in its own folders.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from envs.git import GitFailed
from launcher.content.clone import STUDENT, lfs_note
from launcher.content.copying import Owner, copy_tree
from launcher.content.delivered import Delivered, find_delivered, record, widened
from launcher.content.mirror import Mirrors
from launcher.content.receipt import Receipt
from launcher.content.shipping import ask_session
from launcher.content.upstream import Upstream
from launcher.errors import ContentFailed, LaunchError
from launcher.runtimes.base import Completed, Runtime
from launcher.runtimes.own_commands import own_command
from launcher.session import SessionSpec
from link_generator.content import Content

Copy = Callable[[str, str, Owner | None], None]
"""Copies a folder with its modes and times to a new one, as `copy_tree` does."""
Observe = Callable[[str, float], None]
"""Takes the outcome of a pull, `success` or `failure`, and its seconds."""


def unobserved(_outcome: str, _seconds: float) -> None:
    """Where nobody counts."""


@dataclass(frozen=True)
class Delivery:
    """Brings content into the folders of sessions."""

    mirrors: Mirrors
    runtime: Runtime
    snapshots: int = 20
    """Snapshots that each folder keeps."""
    snapshot_days: float = 60.0
    pulled: Observe = unobserved
    copy: Copy = copy_tree

    def deliver(
        self, content: Content, upstream: Upstream, spec: SessionSpec, folder: str
    ) -> Receipt:
        """Bring `upstream`, which is what `content` names now, into `folder` of the session's home.

        :raises ContentFailed: it could not be done; what the student wrote is untouched.
        """
        began, outcome = time.monotonic(), "failure"
        try:
            try:
                receipt = self._deliver(content, upstream, spec, folder)
            except GitFailed:  # the host's own copy: nothing of the student is in question
                self.mirrors.make_again(upstream)
                try:
                    receipt = self._deliver(content, upstream, spec, folder)
                except GitFailed as error:
                    said = f"The course files could not be prepared: {error}"
                    raise ContentFailed(said) from error
            outcome = "success"
            return receipt
        finally:
            self.pulled(outcome, time.monotonic() - began)

    def _deliver(
        self, content: Content, upstream: Upstream, spec: SessionSpec, folder: str
    ) -> Receipt:
        if not folder or {"", ".", "..", ".git"} & set(folder.split("/")):
            raise ContentFailed(f"{folder!r} cannot be the name of the content's folder.")
        last = find_delivered(spec, folder)
        new = Delivered(folder, content.repo, content.branch, widened(last, content), time.time())
        try:
            shaped = self.mirrors.shape(upstream, new.only)
            receipt = self.place_new(shaped, spec, folder) or self.reconcile_inside(
                shaped, spec, folder, last
            )
            receipt = completed(receipt, shaped, folder, last)
            record(spec, new.after(shaped, receipt, last))
            return receipt
        except LaunchError:  # an engine that is gone is an OSError, too
            raise
        except (OSError, subprocess.TimeoutExpired) as error:
            said = getattr(error, "strerror", "") or str(error)
            raise ContentFailed(
                f"The course files could not be copied: {said}.",
                hint="The disk may be full; tell the person who runs this server.",
            ) from error

    def place_new(self, upstream: Upstream, spec: SessionSpec, folder: str) -> Receipt | None:
        """Fill a folder that the student does not have yet; None when they have it.

        Where folders are attached, this works before the session runs as well as after.
        """
        if self.runtime.attaches_folders and os.path.lexists(spec.home / folder):
            return None  # a clone would be made for nobody
        clone = self.mirrors.prepared_clone(upstream)
        if self.runtime.attaches_folders:
            placed = place_on_host(clone, spec.home, folder, self.copy)
        else:
            placed = place_by_archive(clone, spec, self.runtime, folder)
        if not placed:
            return None
        new = tuple(self.mirrors.files(upstream))
        return Receipt(before="", after=upstream.commit, new=new, notes=lfs_note(clone))

    def reconcile_inside(
        self, upstream: Upstream, spec: SessionSpec, folder: str, last: Delivered | None
    ) -> Receipt:
        """Bring a folder that exists to the new commit, as the student, inside the session."""
        mirrors, commit = self.mirrors, upstream.commit
        had = last.commit if last and mirrors.holds(upstream.repo, last.commit) else ""
        request = {
            "folder": folder,
            "url": upstream.repo,
            "commit": commit,
            "branch": upstream.branch,
            "shallow": mirrors.shallow(upstream),
            "base": had,
            "keep": self.snapshots,
            "keep_days": self.snapshot_days,
        }
        packs = [mirrors.pack(upstream, had)] if had != commit else []
        answer = ask_session(self.runtime, spec.id, request, packs)
        if answer.get("need"):
            packs = [mirrors.pack(upstream, None)]
            if had and had != commit:
                packs.append(mirrors.pack(Upstream(upstream.repo, had, had, 0.0), None))
            answer = ask_session(self.runtime, spec.id, request, packs)
        receipt = answer.get("receipt")
        if not isinstance(receipt, dict):
            raise ContentFailed(
                str(answer.get("error") or "The course files are not all there."),
                hint=str(answer.get("hint", "")),
            )
        return Receipt.from_json(receipt)


def completed(receipt: Receipt, upstream: Upstream, folder: str, last: Delivered | None) -> Receipt:
    """With the upstream's own commits, and what the host knows besides."""
    before = last.newest if last and receipt.before == last.commit else receipt.before
    news = receipt.changed or last is None or last.newest != upstream.newest
    said = upstream.notes if news else ()
    stale = [upstream.stale_note] if upstream.stale else []
    notes = (*stale, *said, *receipt.notes)
    return replace(receipt, folder=folder, before=before, after=upstream.newest, notes=notes)


def place_on_host(clone: Path, home: Path, folder: str, copy: Copy = copy_tree) -> bool:
    """Copy the clone to `home/folder` unless something is there; it appears at once.

    The copy is made beside the home, where the student cannot reach it, and moved by a file
    handle of the folder above: a link that the student makes meanwhile is never followed.
    """
    above, _, name = folder.rpartition("/")
    try:
        handle = open_below(home, above)
    except (NotADirectoryError, PermissionError):
        return False  # something of the student's is in the way: the pull inside says what
    try:
        if exists_at(handle, name):
            return False
        made = str(home.parent / f".new-content-{secrets.token_hex(8)}")
        try:
            copy(str(clone), made, owner_of(handle) if os.geteuid() == 0 else None)
            os.rename(made, name, dst_dir_fd=handle)
        except OSError as error:
            if error.errno == errno.EXDEV or exists_at(handle, name):
                return False  # reconciling inside works for both
            raise ContentFailed(
                f"The course files could not be copied: {error.strerror}.",
                hint="The disk may be full; tell the person who runs this server.",
            ) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)  # it has moved if all went well
    finally:
        os.close(handle)
    return True


def open_below(home: Path, folder: str) -> int:
    """A handle of a folder of the home; what is missing is made and is the student's.

    :raises NotADirectoryError: a file or a link is in the way; none is followed.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    handle = os.open(home, flags)
    for part in filter(None, folder.split("/")):
        above = handle
        try:
            owner = os.fstat(above)
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=above)
                if os.geteuid() == 0:
                    os.chown(part, owner.st_uid, owner.st_gid, dir_fd=above, follow_symlinks=False)
            handle = os.open(part, flags, dir_fd=above)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotADirectoryError(part) from error
            raise
        finally:
            os.close(above)
    return handle


def owner_of(handle: int) -> tuple[int, int]:
    found = os.fstat(handle)
    return found.st_uid, found.st_gid


def exists_at(handle: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def place_by_archive(clone: Path, spec: SessionSpec, runtime: Runtime, folder: str) -> bool:
    """Send the clone as a tar under a passing name, then rename it inside: all or nothing."""

    def run(command: list[str]) -> Completed:
        return runtime.run(spec.id, own_command(command))

    there = run(["test", "-e", folder])
    if there.code == 0 or run(["test", "-L", folder]).code == 0:
        return False
    above = folder.rpartition("/")[0]
    if above and run(["mkdir", "-p", "--", above]).code != 0:
        return False
    passing = f".new-content-{spec.id[:12]}"
    run(["rm", "-rf", "--", passing])
    with tempfile.TemporaryFile() as archive:
        write_archive(clone, passing, archive)
        archive.seek(0)
        runtime.put_home_archive(spec.id, archive)
    moved = run(["mv", "-T", "-n", "--", passing, folder])
    left = run(["test", "-e", passing])
    if left.code == 0:
        run(["rm", "-rf", "--", passing])
    return moved.code == 0 and left.code != 0


def write_archive(clone: Path, name: str, archive: BinaryIO) -> None:
    """The clone as a tar, owned by the student."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = STUDENT
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(clone, arcname=name, filter=owned)
