"""What a commit in a mirror holds: its files, their sizes, what is in one. Nothing is fetched."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from envs.git import MOST, Git, GitFailed
from launcher.content.mirror_folder import MirrorFolder
from launcher.content.size import sizes_of
from launcher.content.upstream import Upstream

LISTED = MOST
"""Bytes of the lists of files that are remembered: memory is for sessions. Any one fits."""


@dataclass
class ListsOfFiles:
    """Remembers those of the commits of the last clicks: a class asks for one of them."""

    _known: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """The names of the files of a commit, each between two zero bytes."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find(self, upstream: Upstream) -> bytes | None:
        return self._known.get((upstream.repo, upstream.commit))

    def keep(self, upstream: Upstream, found: bytes) -> None:
        with self._guard:
            self._known[upstream.repo, upstream.commit] = found
            while sum(map(len, self._known.values())) > LISTED:
                del self._known[next(iter(self._known))]


@dataclass(frozen=True)
class Listing:
    """Has git read commits of mirrors; a mirror that turns out to be damaged is made again."""

    place: MirrorFolder
    git: Git
    lists: ListsOfFiles
    make_again: Callable[[Upstream], None]

    def files(self, upstream: Upstream) -> list[str]:
        """Every file of the commit; one whose name is no text is left out."""
        return self._listed(upstream).decode().split("\0")[1:-1]

    def _listed(self, upstream: Upstream) -> bytes:
        known = self.lists.find(upstream)
        if known is None:
            # A class asks at once: one of them has git read it.
            with self.place.locked(self.place.mirror(upstream.repo) / "files"):
                known = self.lists.find(upstream) or self._list(upstream)
        return known

    def _list(self, upstream: Upstream) -> bytes:
        listed = self._read(upstream, "ls-tree", "-r", "-z", "--name-only", upstream.commit)
        names = [name for name in listed.split("\0") if name and name.isprintable()]
        found = "\0".join(["", *names, ""]).encode()
        self.lists.keep(upstream, found)
        return found

    def has_path(self, upstream: Upstream, path: str, *, folder: bool = False) -> bool:
        """True when the commit holds this file or folder; with `folder` only a folder counts."""
        plain = path.strip("/")
        if not plain or plain == ".":
            return True
        known = b""
        if plain.isprintable():
            with contextlib.suppress(GitFailed):  # said below, of this path alone
                known = self._listed(upstream)
        if any(f"\0{plain}{end}".encode() in known for end in ("/" if folder else "/\0")):
            return True  # what a commit holds never changes
        try:
            found = self._read(upstream, "cat-file", "-t", f"{upstream.commit}:{plain}")
        except GitFailed:
            return False
        return not folder or found.strip() == "tree"

    def sizes(self, upstream: Upstream) -> dict[str, int]:
        """Bytes of every file of the commit."""
        return sizes_of(self.place.mirror(upstream.repo), upstream.commit, git=self.git)

    def read_text(self, upstream: Upstream, path: str, *, largest: int) -> str:
        """A file of the commit; empty where it is larger than `largest` bytes or no text."""
        if self.sizes(upstream).get(path, 0) > largest:
            return ""
        try:
            return self._read(upstream, "cat-file", "blob", f"{upstream.commit}:{path}")
        except GitFailed:
            return ""

    def _read(self, upstream: Upstream, *args: str) -> str:
        command = ("--git-dir", str(self.place.mirror(upstream.repo)), *args)
        try:
            return self.git.run(*command)
        except GitFailed:
            if self._is_sound(upstream):
                raise
        self.make_again(upstream)
        return self.git.run(*command)

    def _is_sound(self, upstream: Upstream) -> bool:
        """True when every folder of the commit can be read."""
        mirror = str(self.place.mirror(upstream.repo))
        with contextlib.suppress(GitFailed):
            self.git.run("--git-dir", mirror, "ls-tree", "-r", "-t", upstream.commit)
            return True
        return False
