"""Warm sessions as containers: started with an empty slot for a home, given to a student later."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException, NotFound

from launcher.errors import SessionFailed
from launcher.runtimes.docker.seen import server_command, session_of
from launcher.runtimes.docker.slots import Claim, SlotFailed, Slots, inode
from launcher.session import HOME_IN_SESSION, Session, SessionSpec

if TYPE_CHECKING:
    from launcher.runtimes.docker.sessions import DockerRuntime

log = logging.getLogger(__name__)

LABEL = "launcher.warm"
BEFORE_HOME = "/"
"""Where a warm server works: a process in its home would keep the folder from before the claim."""
# A terminal begins where the server works unless it is told a folder; the student's is their home.
TERMINAL = ["/bin/sh", "-c", f'[ "$PWD" = {BEFORE_HOME} ] && cd; exec "${{SHELL:-/bin/sh}}" -l']
STATUS = Path("/proc/thread-self/status")
SYS_PTRACE = 19
"""CAP_SYS_PTRACE of linux/capability.h: without it `/proc/<pid>/root` of other users is closed."""
STARTING, SERVING = 128, 1024
"""CPU weights: a session that nobody waits for starts with what those in use leave."""


@dataclass(frozen=True)
class Settled:
    """What is known of a warm session whose server has answered."""

    process: int
    """The container's first, as this machine numbers it."""
    folders: tuple[tuple[str, int], ...]
    """Empty folders that the server made in its home, with their modes."""
    address: str
    started: float


@dataclass
class DockerWarm:
    """Satisfies `launcher.runtimes.base.Warm` on a Docker engine of this machine."""

    runtime: DockerRuntime
    slots: Slots
    _settled: dict[str, Settled] = field(default_factory=dict)
    _starting: set[str] = field(default_factory=set)
    _unseen: str | None = None
    """Kept: without a container there is nothing to see it by, and none should start for that."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def why_not(self) -> str | None:
        if self.runtime.homes != "bind":
            return "Homes are volumes of the engine, which cannot be attached later."
        if why := self.slots.why_not():
            return why
        self._unseen = self._unseen or unseen(self.runtime.client)
        return self._unseen

    def start(self, spec: SessionSpec) -> Session:
        with self._guard:
            self._starting.add(spec.id)
        try:
            slot = self.slots.make(spec.id)
            return self.runtime.start_container(
                spec, warm_options(server_command(spec.base_url), slot)
            )
        except (OSError, SessionFailed) as error:
            self.runtime.stop(spec.id)
            if isinstance(error, SessionFailed):
                raise
            raise SessionFailed(f"No slot can be made: {error.strerror}.") from error
        finally:
            with self._guard:
                self._starting.discard(spec.id)

    def settle(self, session_id: str) -> str | None:
        if self.is_claimed(session_id):
            return "somebody has it already"
        try:
            container = self.runtime.container(session_id)
            if container is None or container.status != "running":
                return "it ended"
            process = int(container.attrs["State"]["Pid"])
            folders = self.slots.settle(session_id, process)
            busy = processes_in(inode(self.slots.folder / session_id), pids_of(container))
            if busy:
                return f"its process {busy} works in its home"
            container.update(cpu_shares=SERVING)
        except SlotFailed as error:
            return str(error)
        except (DockerException, OSError, ValueError) as error:
            return f"the engine does not say enough of it: {error}"
        session = session_of(container)
        self._settled[session_id] = Settled(process, folders, session.address, session.started)
        return None

    def claim(self, spec: SessionSpec) -> bool:
        return self.slots.claim(spec.id, Claim(spec.owner, spec.course, spec.link, time.time()))

    def is_claimed(self, session_id: str) -> bool:
        return self.slots.find_claim(session_id) is not None

    def attach(self, spec: SessionSpec) -> Session:
        known = self._settled.pop(spec.id, None)
        if known is None:
            raise SessionFailed("The session was not ready to be given out.")
        try:
            self.slots.attach(spec, known.process, known.folders)
        except SlotFailed as error:
            raise SessionFailed(f"The student's folder cannot be attached: {error}.") from error
        return Session(
            id=spec.id,
            owner=spec.owner,
            course=spec.course,
            image=spec.image,
            link=spec.link,
            started=time.time(),
            address=known.address,
            running=True,
            answered=True,
            egress=spec.egress,
        )

    def is_attached(self, spec: SessionSpec) -> bool:
        if spec.id not in self.slots.known():
            return True
        container = self.runtime.container(spec.id)
        if container is None or container.status != "running":
            return True  # there is nothing to attach it to
        process = int(container.attrs["State"]["Pid"])
        if self.slots.is_attached(spec, process):
            return True
        with contextlib.suppress(SlotFailed):
            self.slots.attach(spec, process)
        return self.slots.is_attached(spec, process)

    def sweep(self, keep: Callable[[], Collection[str]], *, unfinished: float) -> None:
        # The order matters: what begins meanwhile is in one of the later answers.
        known = self.slots.known()
        with self._guard:
            starting = set(self._starting)
        there = {one.id for one in self.runtime.sessions(f"{LABEL}=yes")}
        kept = set(keep())
        for session_id in known - there - starting - kept:
            self.release(session_id)
        for session_id in there - kept - starting:
            claim = self.slots.find_claim(session_id)
            if claim is None:
                log.info("nobody keeps a warm session", extra={"session": session_id})
                self.runtime.stop(session_id)
            elif not self.slots.is_given(session_id) and time.time() - claim.at > unfinished:
                log.warning("a claim was never finished", extra={"session": session_id})
                self.runtime.stop(session_id)

    def claims(self) -> dict[str, Claim]:
        """Whose sessions the given ones are."""
        return self.slots.given()

    def release(self, session_id: str) -> None:
        """Take the slot of a container away that is gone."""
        self._settled.pop(session_id, None)
        try:
            self.slots.release(session_id)
        except OSError as error:
            log.warning("a slot is still in use: %s", error, extra={"session": session_id})

    def list(self) -> list[Session]:
        found = self.runtime.sessions(f"{LABEL}=yes")
        return [one for one in found if self.slots.find_claim(one.id) is None]

    def outdated(self) -> set[str]:
        # The engine calls a container's image by its id as soon as the name means another one.
        rows = (row for row in self.runtime.rows() if row["Image"].startswith("sha256:"))
        found = {row["Labels"]["launcher.session"] for row in rows if LABEL in row["Labels"]}
        return {one for one in found if self.slots.find_claim(one) is None}


def warm_options(command: list[str], slot: Path) -> dict[str, Any]:
    """What a warm session's container has instead of a student's."""
    return {
        "command": [*command, f"--ServerApp.terminado_settings={{'shell_command': {TERMINAL}}}"],
        "working_dir": BEFORE_HOME,
        "volumes": {str(slot): {"bind": HOME_IN_SESSION, "mode": "rw,rslave"}},
        "cpu_shares": STARTING,
    }


def unseen(client: Any) -> str | None:
    """Why this process cannot look into the engine's containers; None while it can, or none runs.

    A launcher in a container sees them with the machine's process numbers and a capability only.
    """
    needed = "a launcher in a container needs `pid: host` and SYS_PTRACE, as in deploy/compose.yml."
    why = None
    with contextlib.suppress(DockerException, OSError, KeyError, TypeError):
        mine = re.search(r"^CapEff:\s*(\w+)$", STATUS.read_text(), re.MULTILINE)
        if mine and not int(mine[1], 16) >> SYS_PTRACE & 1:
            return f"The launcher may not look into containers: {needed}"
        for row in client.api.containers():
            process = first_process(client, row["Id"])
            if process and os.path.exists(f"/proc/{process}"):
                return None
            if process and first_process(client, row["Id"]) == process:  # it did not end just now
                why = f"The launcher does not see the processes of containers: {needed}"
    return why


def first_process(client: Any, container_id: str) -> int:
    """As the engine's machine numbers it; 0 where the container has ended."""
    try:
        return int(client.api.inspect_container(container_id)["State"]["Pid"])
    except NotFound:
        return 0


def pids_of(container: Any) -> list[int]:
    """The processes of a container, as this machine numbers them."""
    return [int(row[0]) for row in container.top(ps_args="-eo pid")["Processes"]]


def processes_in(folder: tuple[int, int] | None, pids: list[int]) -> int:
    """One of the processes that has something open in the folder's file system, or 0."""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            every = [f"/proc/{pid}/cwd"]
            every += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
            for path in every:
                with contextlib.suppress(OSError):
                    if folder and os.stat(path).st_dev == folder[0]:
                        return pid
    return 0
