"""Sessions as containers on a Docker engine. All that is known of them is in their labels."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import re
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import docker
from docker.errors import APIError, DockerException, NotFound

from launcher.errors import SessionFailed, SessionGone
from launcher.runtimes.base import Completed
from launcher.runtimes.docker.api import EngineSlow
from launcher.runtimes.docker.bounds import bounds_of
from launcher.runtimes.docker.exec import run_in_container
from launcher.runtimes.docker.images import DockerImages
from launcher.runtimes.docker.memory import kills_of, memory_of_all, processes_of
from launcher.runtimes.docker.network import ensure_network, network_of, trouble_with
from launcher.runtimes.docker.place import root_folder
from launcher.runtimes.docker.seen import given_to, server_command, session_of, session_of_row
from launcher.runtimes.docker.slots import Slots
from launcher.runtimes.docker.walls import FRESH, Walls
from launcher.runtimes.docker.warm import DockerWarm
from launcher.session import EGRESS, HOME_IN_SESSION, Session, SessionSpec
from launcher.shared_look import SharedLook

NOTHING: Mapping[str, Any] = {}
STUDENT = "1000:1000"
UID = 1000
COUNTING = 20.0
"""Seconds after which no more containers are asked what they wrote, where one takes long."""


def container_options(
    spec: SessionSpec,
    *,
    instance: str,
    network: str,
    volume: str | None,
    read_only: bool = False,
    environment: Mapping[str, str] = NOTHING,
    more: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """Everything that a session's container is made with, as docker-py takes it. No I/O here.

    `environment` is what all sessions have in common; `more` stands in place of what is here.
    """
    home = volume or str(spec.home)
    return {
        "image": spec.image,
        "command": server_command(spec.base_url),
        "name": f"launcher-{spec.id}",
        "user": STUDENT,
        "working_dir": HOME_IN_SESSION,
        "environment": {
            **environment,
            "HOME": HOME_IN_SESSION,
            "JUPYTER_TOKEN": spec.token,
            "JUPYTER_RUNTIME_DIR": "/tmp/jupyter-runtime",
        },
        "labels": {
            "launcher.session": spec.id,
            "launcher.instance": instance,
            "launcher.owner": spec.owner,
            "launcher.course": spec.course,
            "launcher.image": spec.image,
            "launcher.link": spec.link,
            "launcher.egress": spec.egress,
            **({} if spec.owner else {"launcher.warm": "yes"}),
        },
        "volumes": {home: {"bind": HOME_IN_SESSION, "mode": "rw"}},
        "network": network,
        # Without a way out every question for a name would wait ten seconds.
        "dns_opt": ["timeout:1", "attempts:1"] if spec.egress == "none" else None,
        "detach": True,
        **bounds_of(spec.limits, read_only=read_only),
        **more,
    }


@dataclass
class DockerRuntime:
    """Satisfies `launcher.runtimes.base.Runtime` on a Docker engine."""

    client: docker.DockerClient
    images: DockerImages
    instance: str
    """Of one data folder: two launchers on one engine leave each other's sessions alone."""
    network: str = "launcher-sessions"
    homes: str = "bind"
    """`bind` folders of this machine, or `volume` where the engine is elsewhere."""
    read_only: str = "auto"
    """`yes`, `no`, or `auto`: where sessions reach nothing to install from."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every session."""
    walls: Walls = field(default_factory=lambda: Walls((), off=True))
    slots: Slots | None = None
    """Where homes are attached to sessions that run; None where that cannot be."""
    name: str = "docker"
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @functools.cached_property
    def warm(self) -> DockerWarm | None:
        return DockerWarm(self, self.slots) if self.slots else None

    @property
    def attaches_folders(self) -> bool:
        return self.homes == "bind"

    def health(self) -> str | None:
        if self.homes == "bind" and os.geteuid() not in (0, UID):
            return (
                f"Sessions write as user {UID}, this launcher as {os.geteuid()}: run it as root or "
                "as that user, or set docker.homes: volume."
            )
        try:
            self.client.ping()
            return None
        except (DockerException, OSError) as error:
            return f"The Docker engine does not answer ({type(error).__name__}); start it."

    def folders(self) -> Sequence[Path]:
        try:
            return root_folder(self.client)
        except (DockerException, OSError):
            return ()

    def describe(self) -> str:
        return (
            "Each session is a container without privileges, with limits for memory, CPU and "
            "processes, on a network where sessions cannot reach each other."
        )

    def cut_logs(self) -> None:
        """The engine does: `bounds.py` says how."""

    def protect(self) -> str | None:
        names = [network_of(self.network, egress) for egress in EGRESS]
        try:
            builds = self.images.engine.walls
            return (
                self.walls.ensure()
                or trouble_with(self.client, names)
                or (builds.trouble() if builds else None)
            )
        except (DockerException, OSError) as error:
            return f"The Docker engine does not answer ({type(error).__name__})."

    def prepare_home(self, spec: SessionSpec) -> None:
        if self.homes == "volume":
            self.client.volumes.create(volume_name(spec), labels={"launcher.home": spec.course})
            return
        spec.home.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            fresh = spec.home.with_name(f".new-{spec.id}")
            fresh.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(fresh, UID, UID)
            try:
                if not spec.home.exists():
                    fresh.rename(spec.home)  # appears with its owner, or not at all
            finally:
                with contextlib.suppress(OSError):
                    fresh.rmdir()

    def forget_home(self, owner: str, course: str) -> None:
        if self.homes == "volume":
            with contextlib.suppress(NotFound, APIError):  # in use, or gone already
                self.client.volumes.get(volume_of(owner, course)).remove()

    def start(self, spec: SessionSpec) -> Session:
        return self.start_container(spec)

    def start_container(self, spec: SessionSpec, more: Mapping[str, Any] = NOTHING) -> Session:
        """Start the session; `more` are options of its container that differ from others'."""
        volume = volume_name(spec) if self.homes == "volume" else None
        network = network_of(self.network, spec.egress)
        options = container_options(
            spec,
            instance=self.instance,
            network=network,
            volume=volume,
            read_only=self.is_read_only(spec),
            environment=self.environment,
            more=more,
        )
        try:
            if volume:
                self._own_volume(spec, volume)
            self.ensure_network(spec.egress)
            container = self.client.containers.run(**options)
        except (DockerException, OSError) as error:
            self.stop(spec.id)
            why = getattr(error, "explanation", "") or error
            raise SessionFailed(f"The session's container did not start: {why}") from error
        container.reload()
        return session_of(container)

    def ensure_network(self, egress: str) -> None:
        """The network for sessions of this egress, with its walls; before anything runs on it."""
        with self._guard:
            name = network_of(self.network, egress)
            ensure_network(self.client, name, internal=egress == "none")
            self.walls.ensure(fresh=FRESH)

    def is_read_only(self, spec: SessionSpec) -> bool:
        """True where nothing but home and /tmp can be written: no package can be installed then."""
        return {"yes": True, "no": False}.get(self.read_only, spec.egress == "none")

    def _own_volume(self, spec: SessionSpec, volume: str) -> None:
        """A named volume begins as root's; the student must be able to write into it."""
        self.client.containers.run(
            spec.image,
            ["-c", f"chown {STUDENT} {HOME_IN_SESSION}"],
            entrypoint="/bin/sh",
            user="0:0",
            network_mode="none",
            remove=True,
            volumes={volume: {"bind": HOME_IN_SESSION, "mode": "rw"}},
        )

    def find(self, session_id: str) -> Session | None:
        container = self.container(session_id)
        if container is None:
            return None
        seen = session_of(container)
        if seen.owner or self.warm is None:
            return seen
        return given_to(seen, self.warm.claims().get(session_id))

    def sessions(self, *labels: str) -> list[Session]:
        """The sessions with these labels; those that nobody has claimed have no owner."""
        return self._look(*labels) if labels else [*self._all()]

    @functools.cached_property
    def _all(self) -> SharedLook[list[Session]]:
        return SharedLook(self._look)

    def _look(self, *labels: str) -> list[Session]:
        wanted = [f"launcher.instance={self.instance}", "launcher.session", *labels]
        found = []
        for row in self.client.api.containers(all=True, filters={"label": wanted}):
            if row["State"] == "running":
                found.append(session_of_row(row))
            elif container := self.container(row["Labels"]["launcher.session"]):
                found.append(session_of(container))
        return found

    def list(self, owner: str = "") -> list[Session]:
        claims = self.warm.claims() if self.warm else {}
        given = (given_to(one, claims.get(one.id)) for one in self.sessions())
        return [one for one in given if one and owner in ("", one.owner)]

    def memory(self) -> dict[str, int]:
        return memory_of_all(self.client, self.rows(), here=self.homes == "bind")

    def kills(self) -> dict[str, int]:
        if self.homes != "bind":  # the kernel's files are another machine's
            return {}
        every = {row["Labels"]["launcher.session"]: kills_of(row["Id"]) for row in self.rows()}
        return {session_id: count for session_id, count in every.items() if count is not None}

    def written(self) -> dict[str, int | None]:
        deadline, found = time.monotonic() + COUNTING, dict[str, int | None]()
        try:
            return {session_in(row): row.get("SizeRw", 0) for row in self.rows(size=True)}
        except EngineSlow:  # one with millions of files may be the reason: each is asked for alone
            rows = self.rows()
        random.shuffle(rows)  # some may have to wait for the next time
        for row in rows:
            found[session_in(row)] = self._written_by(row["Id"])
            if time.monotonic() > deadline:
                break
        return found

    def _written_by(self, container_id: str) -> int | None:
        try:
            rows = self.client.api.containers(filters={"id": container_id}, size=True)
        except EngineSlow:
            return None
        return int(rows[0].get("SizeRw", 0)) if rows else 0

    def processes(self) -> dict[str, Sequence[int]]:
        if self.homes != "bind":  # they are another machine's
            return {}
        return {session_in(row): processes_of(row["Id"]) or [] for row in self.rows()}

    def rows(self, *, size: bool = False) -> Any:
        """The engine's rows of running containers of ours."""
        mine = {"label": [f"launcher.instance={self.instance}", "launcher.session"]}
        return self.client.api.containers(filters=mine, size=size)

    def stop(self, session_id: str) -> None:
        container = self.container(session_id)
        if container is not None:
            with contextlib.suppress(NotFound):
                container.stop(timeout=3)
            with contextlib.suppress(NotFound, APIError):
                container.remove(force=True)
        # A slot goes only after its container: what still ran would write beside the home.
        if self.warm and session_id in self.warm.slots.known() and not self.container(session_id):
            self.warm.release(session_id)

    def sweep(self, *, older: float, dry_run: bool) -> Sequence[str]:
        """What is left of containers are sessions, by their labels: those are found and ended."""
        return [f"the packet filter's chain {one}" for one in self.walls.sweep(dry_run=dry_run)]

    def run(
        self,
        session_id: str,
        command: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        timeout: float = 60.0,
    ) -> Completed:
        container = self.container(session_id)
        if container is None or container.status != "running":
            raise SessionGone("The session does not run.", hint="Open its link again.")
        return run_in_container(
            self.client,
            container.id,
            command,
            user=STUDENT,
            workdir=HOME_IN_SESSION,
            environment={"HOME": HOME_IN_SESSION},
            stdin=stdin,
            timeout=timeout,
        )

    def put_home_archive(self, session_id: str, archive: BinaryIO) -> None:
        container = self.container(session_id)
        if container is None:
            raise SessionGone("The session does not run.", hint="Open its link again.")
        with tarfile.open(fileobj=archive) as tar:
            first = tar.next()
        archive.seek(0)
        top = (first.name if first else "").split("/", 1)[0]
        there = self.run(session_id, ["test", "-e", f"{HOME_IN_SESSION}/{top}"])
        if there.code == 0:
            return
        container.put_archive(HOME_IN_SESSION, archive)

    def logs(self, session_id: str, *, lines: int = 200) -> str:
        container = self.container(session_id)
        if container is None:
            return ""
        with contextlib.suppress(APIError):
            return str(container.logs(tail=lines).decode("utf-8", "replace"))
        return ""

    def container(self, session_id: str) -> Any:
        """The container of this id, if it is one of ours."""
        if not re.fullmatch(r"[0-9a-f]{8,64}", session_id):
            return None
        try:
            found = self.client.containers.get(f"launcher-{session_id}")
        except NotFound:
            return None
        return found if found.labels.get("launcher.instance") == self.instance else None


def session_in(row: Mapping[str, Any]) -> str:
    """The session of a row of the engine's list."""
    return str(row["Labels"]["launcher.session"])


def volume_name(spec: SessionSpec) -> str:
    return volume_of(spec.owner, spec.course)


def volume_of(owner: str, course: str) -> str:
    mark = hashlib.sha256(f"{owner}/{course}".encode()).hexdigest()[:24]
    return f"launcher-home-{mark}"
