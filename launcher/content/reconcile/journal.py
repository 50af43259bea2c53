"""Which files a pull has merged already, so that one that was killed does not merge them twice."""

from __future__ import annotations

import os
from typing import Dict, Optional


class Journal:
    """Merged files of the pull from one commit to another; forgotten when that is complete."""

    def __init__(self, path: bytes, before: Optional[str], after: str) -> None:
        self.path = path
        self._head = ("%s %s" % (before or "-", after)).encode()
        self._done: Dict[bytes, str] = {}
        try:
            with open(path, "rb") as file:
                head, *rows = file.read().split(b"\0")
        except OSError:
            return
        if head == self._head:
            for row in rows:
                oid, blank, name = row.partition(b" ")
                if blank:
                    self._done[name] = oid.decode("ascii", "replace")

    def is_merged(self, path: bytes, oid: str) -> bool:
        """True when the file is as the killed pull left it."""
        return self._done.get(path) == oid

    def merging(self, path: bytes, oid: str) -> None:
        """Note what the file is about to become."""
        self._done[path] = oid
        rows = [self._head, *(b"%s %s" % (o.encode(), p) for p, o in self._done.items())]
        with open(self.path + b".new", "wb") as file:
            file.write(b"\0".join(rows))
        os.replace(self.path + b".new", self.path)

    def forget(self) -> None:
        if os.path.lexists(self.path):
            os.unlink(self.path)
