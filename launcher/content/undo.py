"""Going back inside a running session: its snapshots, and starting one file over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from launcher.content.delivered import find_delivered
from launcher.content.mirror import Mirrors
from launcher.content.shipping import LOOK, TIMEOUT, ask_session
from launcher.content.upstream import Upstream
from launcher.errors import ContentFailed
from launcher.runtimes.base import Runtime
from launcher.session import SessionSpec


@dataclass(frozen=True)
class Undo:
    """Asks the reconcile program, which runs as the student; each raises ContentFailed with the
    way out, and loses nothing."""

    runtime: Runtime
    mirrors: Mirrors

    def snapshots(
        self, spec: SessionSpec, folder: str, *, within: float = LOOK
    ) -> list[dict[str, Any]]:
        """What was kept before each pull and restore, newest first."""
        found: list[dict[str, Any]] = self._ask(spec, folder, "snapshots", within)["snapshots"]
        return found

    def preview(
        self, spec: SessionSpec, folder: str, snapshot: str, path: str | None
    ) -> dict[str, Any]:
        """What a restore would bring back; with `path` that file's lines, too."""
        found: dict[str, Any] = self._ask(spec, folder, "preview", LOOK, id=snapshot, path=path)[
            "preview"
        ]
        return found

    def restore(
        self, spec: SessionSpec, folder: str, snapshot: str, path: str | None, *, in_place: bool
    ) -> dict[str, Any]:
        """Bring back a snapshot or one file of it, as copies or in place; where it went."""
        done: dict[str, Any] = self._ask(
            spec, folder, "restore", TIMEOUT, id=snapshot, path=path, in_place=in_place
        )["restored"]
        return done

    def start_over(self, spec: SessionSpec, folder: str, path: str) -> dict[str, Any]:
        """The teacher's version of one file again; the student's is renamed, to what it says."""
        done: dict[str, Any] = self._ask(spec, folder, "start_over", TIMEOUT, path=path)[
            "started_over"
        ]
        return done

    def _ask(
        self, spec: SessionSpec, folder: str, action: str, within: float, **words: Any
    ) -> dict[str, Any]:
        deadline = time.monotonic() + within
        request = {"action": action, "folder": folder, **words}
        answer = ask_session(self.runtime, spec.id, request, [], timeout=within)
        last = find_delivered(spec, folder)
        if answer.get("need") and last and self.mirrors.holds(last.repo, last.commit):
            pack = self.mirrors.pack(Upstream(last.repo, last.branch, last.commit, last.at), None)
            left = deadline - time.monotonic()
            answer = ask_session(self.runtime, spec.id, request, [pack], timeout=left)
        if "error" in answer or "need" in answer:
            raise ContentFailed(
                str(answer.get("error") or "The course files are not all there."),
                hint=str(answer.get("hint") or "Update the course files, then try again."),
            )
        return answer
