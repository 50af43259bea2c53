"""Git in the student's clone: plumbing only, and nothing that its settings name is started.

Their `.git/config` may hold hooks, filters, fsmonitor programs or merge drivers. Plumbing without
a work tree obeys none of them; what is left is switched off here.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Dict, NamedTuple

from .errors import TOO_LITTLE_MEMORY, CannotPull, NeedObjects

SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.bare=false",
    "core.attributesFile=/dev/null",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "core.untrackedCache=false",
    "core.bigFileThreshold=16m",  # larger ones are read bit by bit: a session has little memory
    "pack.threads=1",  # each thread takes more of a session's memory
    "core.logAllRefUpdates=true",
    "index.sparse=false",
    "merge.conflictStyle=merge",
    "gc.auto=0",
    "maintenance.auto=false",
    "user.name=launcher",
    "user.email=launcher@localhost",
)


class Entry(NamedTuple):
    """One path of a tree."""

    mode: bytes
    """`100644`, `100755`, `120000` (link) or `160000` (submodule)."""
    oid: str


Tree = Dict[bytes, Entry]


class Done(NamedTuple):
    """A git command that ended."""

    code: int
    out: bytes
    err: str

    def check_disk(self, step: str) -> None:
        """Of a command that failed: was it the disk. `step` is what git was to do.

        :raises CannotPull: it is full.
        :raises PermissionError: the student may not write to it.
        """
        if "No space left" in self.err or "Disk quota" in self.err:
            raise CannotPull("Your disk space is full.", "Remove files that you do not need.")
        if "Permission denied" in self.err:
            raise PermissionError(errno.EACCES, self.err, "git %s" % step)


class Git:
    """Git for one folder; never looks for a repository above it."""

    def __init__(self, folder: bytes) -> None:
        self.folder = folder
        self.dir = os.path.join(folder, b".git")

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        kept.update(
            GIT_DIR=os.fsdecode(self.dir),
            GIT_WORK_TREE=os.fsdecode(self.folder),
            GIT_CONFIG_NOSYSTEM="1",
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_ATTR_NOSYSTEM="1",
            GIT_NO_REPLACE_OBJECTS="1",
            GIT_ALLOW_PROTOCOL="none",  # a partial clone would fetch, by a program it names
            GIT_TERMINAL_PROMPT="0",
            LC_ALL="C",
            LANGUAGE="C",
            HOME="/nonexistent",  # for a git too old for GIT_CONFIG_GLOBAL
            XDG_CONFIG_HOME="/nonexistent",
        )
        return kept

    def command(self, *args: str) -> tuple[str, ...]:
        settings = [word for one in SETTINGS for word in ("-c", one)]
        return ("git", *settings, *args)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        index: bytes | None = None,
        file: BinaryIO | None = None,
    ) -> Done:
        """Run a command to its end, whatever its exit code; `file` is its input, or `stdin`.

        :raises CannotPull: there is no git, or the kernel killed it, for want of memory.
        """
        env = self.environment()
        if index is not None:
            env["GIT_INDEX_FILE"] = os.fsdecode(index)
        try:
            done = subprocess.run(
                self.command(*args),
                input=None if file else stdin,
                stdin=file,
                capture_output=True,
                env=env,
                check=False,
            )
        except FileNotFoundError:
            raise CannotPull(
                "This environment has no git.", "Ask your teacher to add git to it (apt.txt)."
            ) from None
        if done.returncode == -signal.SIGKILL:
            raise CannotPull(*TOO_LITTLE_MEMORY)
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip())

    def must(self, *args: str, index: bytes | None = None) -> bytes:
        """Run a command that has to work."""
        done = self.run(*args, index=index)
        if done.code != 0:
            done.check_disk(args[0])
            raise CannotPull("git %s: %s" % (args[0], done.err or "exit code %d" % done.code))
        return done.out

    def commit(self, name: str) -> str | None:
        """The commit that a ref or id names, if it is here."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
        return done.out.decode().strip() if done.code == 0 else None

    def refs(self) -> dict[str, str]:
        """Every ref by full name."""
        listed = self.run("for-each-ref", "--format=%(objectname) %(refname)").out
        rows = (line.split(" ", 1) for line in listed.decode("utf-8", "replace").splitlines())
        return {name: oid for oid, name in rows}

    def tree(self, commit: str) -> Tree:
        """All paths of a commit.

        :raises NeedObjects: it is not all here.
        """
        done = self.run("ls-tree", "-r", "-z", "--full-tree", commit)
        if done.code != 0:
            raise NeedObjects(commit)
        found: Tree = {}
        for row in done.out.split(b"\0"):
            if row:
                about, path = row.split(b"\t", 1)
                mode, _kind, oid = about.split(b" ")
                found[path] = Entry(mode, oid.decode())
        return found

    def renames(self, base: str | None, commit: str) -> dict[bytes, bytes]:
        """Paths that were renamed from one commit to the other, by content that is alike."""
        if base is None:
            return {}
        words = ("diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--raw", base, commit)
        fields = self.run(*words).out.split(b"\0")
        return dict(zip(fields[1::3], fields[2::3]))

    def check_objects(self, oids: Iterable[str]) -> None:
        """Make sure that all these objects are here before anything is changed.

        :raises NeedObjects: one is missing.
        """
        wanted = "".join(oid + "\n" for oid in sorted(set(oids))).encode()
        if wanted:
            done = self.run("cat-file", "--batch-check=%(objecttype)", stdin=wanted)
            if done.code != 0 or b" missing" in done.out:
                raise NeedObjects("objects")


class Blobs:
    """File contents by id, from one `git cat-file` process."""

    def __init__(self, git: Git) -> None:
        self._process = subprocess.Popen(
            git.command("cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=git.environment(),
        )

    def read(self, oid: str) -> bytes:
        """:raises NeedObjects: it is missing or damaged."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None and back is not None  # noqa: S101, PT018  for mypy
        try:
            to.write(oid.encode() + b"\n")
            to.flush()
            head = back.readline().split()
            if len(head) != 3:
                raise NeedObjects(oid)
            data = back.read(int(head[2]))
            back.read(1)
        except OSError:
            raise NeedObjects(oid) from None
        return data

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()


def pairs(listed: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Rows `about TAB path` of `ls-files -z`."""
    for row in listed.split(b"\0"):
        if row:
            about, path = row.split(b"\t", 1)
            yield about, path
