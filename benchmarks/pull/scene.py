"""One situation: a teacher's repository behind a git server, and a student's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.git_server import GitServer, Repo

FILES = {"a.txt": "one\ntwo\nthree\n", "b.txt": "b\n", "d/x.txt": "x\n", "p.bin": b"\0\1\2"}
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8"}


class NotHeld(Exception):
    """The pull did not do what its user may expect; the message says what."""


def hold(fact: object, otherwise: str) -> None:
    """:raises NotHeld: the fact is not so."""
    if not fact:
        raise NotHeld(otherwise)


@dataclass(frozen=True)
class Puller:
    """A command that pulls: `command URL REF DIR`, where an empty REF is the default branch."""

    name: str

    def command(self, url: str, ref: str, folder: Path) -> list[str]:
        if self.name == "nbgitpuller":
            program = str(Path(sys.executable).with_name("gitpuller"))
            return (
                [program, url, *([ref] if ref else ["--"]), str(folder)]
                if ref
                else [
                    sys.executable,
                    "-c",
                    "import sys; from nbgitpuller.pull import GitPuller\n"
                    "for line in GitPuller(sys.argv[1], sys.argv[2]).pull(): print(line)",
                    url,
                    str(folder),
                ]
            )
        words = ["--branch", ref] if ref else []
        return [sys.executable, "-m", "launcher", "pull", url, str(folder), *words]


OURS, THEIRS = Puller("launcher pull"), Puller("nbgitpuller")


@dataclass
class Scene:
    """The teacher acts on `teacher`, the student in `mine`."""

    root: Path
    server: GitServer
    puller: Puller
    teacher: Repo
    said: str = ""

    @classmethod
    def create(
        cls,
        root: Path,
        server: GitServer,
        puller: Puller,
        files: Mapping[str, str | bytes] | None = None,
    ) -> Scene:
        repo = Repo.create(server.root / root.name / "course", FILES if files is None else files)
        return cls(root, server, puller, repo)

    @property
    def mine(self) -> Path:
        return self.root / "mine"

    @property
    def url(self) -> str:
        return self.server.url(f"{self.root.name}/course")

    def start(self, ref: str = "main", *, url: str = "", env: Mapping[str, str] | None = None):  # type: ignore[no-untyped-def]
        """Begin a pull."""
        return subprocess.Popen(
            self.puller.command(url or self.url, ref, self.mine),
            cwd=self.root,
            env=os.environ | QUIET | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def try_pull(self, ref: str = "main", **how: object) -> int:
        """Pull to its end; the exit code."""
        process = self.start(ref, **how)
        try:
            self.said = process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise NotHeld("it hangs") from None
        return int(process.returncode)

    def pull(self, ref: str = "main", **how: object) -> None:
        """Pull, which has to work."""
        if self.try_pull(ref, **how):
            lines = self.said.strip().splitlines() or ["it fails"]
            raise NotHeld(f"it fails ({lines[-1].strip().rpartition('Command')[2].strip(': ')})")

    def write(self, name: str, data: str | bytes) -> None:
        path = self.mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def read(self, name: str) -> str:
        try:
            return (self.mine / name).read_text()
        except (OSError, UnicodeDecodeError):
            return ""

    def everything(self) -> bytes:
        """All bytes of all files outside of `.git`, where a student would look."""
        return b"\n".join(
            path.read_bytes()
            for path in self.mine.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(self.mine).parts
        )

    def git(self, *words: str) -> str:
        """Git in the student's folder, as the student."""
        done = subprocess.run(
            ["git", "-c", "user.name=S", "-c", "user.email=s@example.org", *words],
            cwd=self.mine,
            env=os.environ | QUIET,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout
