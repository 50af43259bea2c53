"""Real repositories for tests, served over loopback HTTP."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from launcher.demo import git_server
from launcher.machine.ports import free_port

IDENTITY = {
    "GIT_AUTHOR_NAME": "Teacher",
    "GIT_AUTHOR_EMAIL": "teacher@example.org",
    "GIT_COMMITTER_NAME": "Teacher",
    "GIT_COMMITTER_EMAIL": "teacher@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass
class GitServer(git_server.GitServer):
    """On a port that the system gives to nobody: tests take none that a kernel is about to open."""

    port: int = field(default_factory=free_port)


@dataclass(frozen=True)
class Repo:
    """A repository that a test writes to, as a teacher would."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, files: Mapping[str, str] | None = None, *, tag: str = "") -> Repo:
        folder.mkdir(parents=True)
        repo = cls(folder)
        repo.git("init", "--quiet", "-b", "main")
        if files is not None:
            repo.commit(files)
        if tag:
            repo.git("tag", "-a", tag, "-m", tag)
        return repo

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write the files, commit everything and return the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree of mode, name and object as they stand, also one that git itself never writes."""
        raw = b"".join(f"{m} {name}\0".encode() + bytes.fromhex(oid) for m, name, oid in entries)
        return self.git(
            "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw
        ).strip()

    def bomb(self, leaf: str = "") -> str:
        """A tree of a few objects whose list has ten million files, or folders, with 700 MB."""
        if leaf:
            folder = self.tree(*[("40000", str(digit), leaf) for digit in range(10)])
        else:
            folder = self.tree(*[("100644", str(digit), self.link("x")) for digit in range(10)])
        for _ in range(6):
            folder = self.tree(*[("40000", str(digit), folder) for digit in range(10)])
        return folder

    def link(self, target: str) -> str:
        """The object of a symbolic link."""
        return self.git("hash-object", "-w", "--stdin", stdin=target.encode()).strip()

    def set_head(self, tree: str) -> str:
        """Let the branch name a new commit of the tree; the work tree stays as it is."""
        commit = self.git("commit-tree", tree, "-m", "raw").strip()
        self.git("update-ref", "HEAD", commit)
        return commit

    def git(self, *args: str, stdin: bytes = b"") -> str:
        return subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env=os.environ | IDENTITY,
            check=True,
            capture_output=True,
            input=stdin,
        ).stdout.decode("utf-8", "surrogateescape")
