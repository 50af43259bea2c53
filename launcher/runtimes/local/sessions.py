"""Sessions as processes of this machine, known by one small file each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from envs.atomic import write_text
from launcher.errors import SessionFailed, SessionGone
from launcher.machine.ports import free_port
from launcher.runtimes.base import Completed
from launcher.runtimes.local import conda, promises, server_log
from launcher.runtimes.local.cgroups import Cgroups
from launcher.runtimes.local.exec import run_to_its_end
from launcher.runtimes.local.images import LocalImages
from launcher.runtimes.local.processes import (
    children_of_all,
    descendants,
    memory_of_trees,
    start_time,
    stop_tree,
)
from launcher.runtimes.local.pythons import outside_usr
from launcher.runtimes.local.sandbox import CHOOM, FIRST_UID, PRLIMIT, Sandbox
from launcher.runtimes.local.trust import trust_variables, trusted_files
from launcher.runtimes.usage import WANTED_MEMORY, kills_in, memory_in
from launcher.session import Session, SessionSpec

Argv = list[str]
NOTHING: Mapping[str, str] = {}
# What the command left running ends with it, or would go on where nobody looks for it: bubblewrap
# itself waits for its command only. There, and only there, `kill` reaches just the sandbox.
ALONE = ("/bin/sh", "-c", '"$@"; code=$?; kill -s KILL -- -1 2>/dev/null; exit $code', "alone")
KILLED_FIRST = "500"
"""Of 1000: where the machine itself runs out of memory, a session ends before the launcher does."""


@dataclass
class LocalRuntime:
    """Satisfies `launcher.runtimes.base.Runtime` without an engine."""

    folder: Path
    images: LocalImages
    sandbox: Sandbox
    cgroups: Cgroups
    name: str = "local"
    attaches_folders: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of every session's environment."""
    warm: None = None
    """A process sees its folder from the start: sessions start when their student clicks."""

    def health(self) -> str | None:
        if shutil.which("git") is None:
            return "git is not installed (package git)."
        if self.sandbox.own_uids and not self.sandbox.bwrap:
            # Then nothing brings users of their own into the folders, which only root may enter.
            return (
                f"{self.sandbox.why}. Root needs it for sessions: install it, let it run (in a "
                "container: --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt "
                "apparmor=unconfined), or start the launcher as another user."
            )
        return None

    def folders(self) -> Sequence[Path]:
        return ()  # all of it is in the data folder

    def describe(self) -> str:
        return promises.describe(self.sandbox, self.cgroups)

    def protect(self) -> str | None:
        return None  # `describe` says what this runtime cannot keep

    def forget_home(self, owner: str, course: str) -> None:
        """Homes here are folders of the host and nothing else."""

    def prepare_home(self, spec: SessionSpec) -> None:
        if spec.home.exists():
            return
        spec.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = spec.home.with_name(f".new-{spec.id}")
        fresh.mkdir(mode=0o700)
        if self.sandbox.own_uids:
            os.chown(fresh, uid_of(spec.owner), uid_of(spec.owner))
        try:
            fresh.rename(spec.home)
        except OSError:
            fresh.rmdir()

    def start(self, spec: SessionSpec) -> Session:
        if spec.egress == "none":
            raise SessionFailed(
                "This environment's sessions may not reach the network, and this server cannot "
                "hold them back.",
                hint="Use a server with a Docker engine.",
            )
        place = self.images.place(spec.image)
        if place is None:
            raise SessionFailed(f"The environment {spec.image} is not prepared any more.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = free_port()
        row = {
            "id": spec.id,
            "owner": spec.owner,
            "course": spec.course,
            "image": spec.image,
            "link": spec.link,
            "home": str(spec.home),
            "place": str(place),
            "processes": spec.limits.processes,
            "memory": {"/tmp": spec.limits.tmp_size, "/dev/shm": spec.limits.shared_size},
            "egress": spec.egress,
            "port": port,
            "started": time.time(),
        }
        environment = {**self._environment(spec.home, place), "JUPYTER_TOKEN": spec.token}
        asked = self.images.variables(spec.image)
        variables = {name: asked[name] for name in asked if name not in environment}
        with server_log.open_log(self.folder / f"{spec.id}.log") as log:
            try:
                self.cgroups.make(spec.id, spec.limits)
                process = subprocess.Popen(
                    self._within(row, self._server(spec, place, port), variables),
                    env=environment,
                    cwd=None if self.sandbox.bwrap else spec.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # outlives the launcher
                )
            except OSError as error:
                self.cgroups.remove(spec.id)
                (self.folder / f"{spec.id}.log").unlink()
                raise SessionFailed(f"The session's server did not start: {error}") from error
        row |= {"pid": process.pid, "pid_started": start_time(process.pid)}
        # The Popen is let go on purpose: `start_time` reaps it, and a restart finds it by its row.
        process.returncode = 0
        try:
            self._write(row)
        except OSError:  # without its row nobody would ever find it, or end it
            self._end(row)
            raise
        return session_of(row)

    def _write(self, row: Mapping[str, Any]) -> None:
        """Keep the session's row, which appears at once or not at all."""
        write_text(self.folder / f"{row['id']}.json", json.dumps(row))

    def find(self, session_id: str) -> Session | None:
        row = self._row(session_id)
        if not row:
            return None
        found = session_of(row)
        if not found.running and self._kills(session_id):
            return replace(found, ended=WANTED_MEMORY)
        return found

    def list(self, owner: str = "") -> list[Session]:
        ids = sorted(path.stem for path in self.folder.glob("*.json"))
        found = [session for one in ids if (session := self.find(one))]
        return [one for one in found if owner in ("", one.owner)]

    def kills(self) -> dict[str, int]:
        every = {session_id: self._kills(session_id) for session_id in self.cgroups.sessions()}
        return {session_id: count for session_id, count in every.items() if count is not None}

    def _kills(self, session_id: str) -> int | None:
        return kills_in(self.cgroups.folder(session_id, "memory"))

    def written(self) -> dict[str, int | None]:
        return {}  # nothing but homes, and folders in memory, can be written

    def processes(self) -> dict[str, Sequence[int]]:
        children = children_of_all()
        return {one: descendants(pid, children) for one, pid in self._roots().items()}

    def memory(self) -> dict[str, int]:
        roots = self._roots()
        seen = {one: memory_in(self.cgroups.folder(one, "memory")) for one in roots}
        known = {one: used for one, used in seen.items() if used is not None}
        rest = {one: pid for one, pid in roots.items() if one not in known}
        return {**known, **(memory_of_trees(rest) if rest else {})}

    def _roots(self) -> dict[str, int]:
        """The first process of each running session."""
        rows = [row for path in self.folder.glob("*.json") if (row := self._row(path.stem))]
        return {row["id"]: row["pid"] for row in rows if session_of(row).running}

    def sweep(self, *, older: float, dry_run: bool) -> Sequence[str]:
        left = [one for one in sorted(self.cgroups.sessions()) if self._is_gone(one, older)]
        return [f"the control group of session {one}" for one in left
                if dry_run or self.cgroups.remove(one)]  # fmt: skip

    def _is_gone(self, session_id: str, older: float) -> bool:
        """True without a row, which a start writes last; its log is there from its first moment."""
        if (self.folder / f"{session_id}.json").exists():
            return False
        try:
            return time.time() - (self.folder / f"{session_id}.log").stat().st_mtime > older
        except FileNotFoundError:
            return True

    def stop(self, session_id: str) -> None:
        row = self._row(session_id)
        if row is not None:
            self._end(row)

    def _end(self, row: Mapping[str, Any]) -> None:
        """End all that a session started, and forget it."""
        if row["pid_started"] is not None:
            stop_tree(row["pid"], row["pid_started"])
        self.cgroups.remove(row["id"])
        (self.folder / f"{row['id']}.json").unlink(missing_ok=True)
        (self.folder / f"{row['id']}.log").unlink(missing_ok=True)

    def run(
        self,
        session_id: str,
        command: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        timeout: float = 60.0,
    ) -> Completed:
        row = self._row(session_id)
        if row is None or not session_of(row).running:
            raise SessionGone("The session does not run.", hint="Open its link again.")
        home, place = Path(row["home"]), Path(row["place"])
        return run_to_its_end(
            self._within(row, command),
            environment=self._environment(home, place),
            folder=None if self.sandbox.bwrap else home,
            stdin=stdin,
            timeout=timeout,
        )

    def put_home_archive(self, session_id: str, archive: BinaryIO) -> None:
        raise SessionFailed("The local runtime attaches folders; nothing is unpacked.")

    def logs(self, session_id: str, *, lines: int = 200) -> str:
        if not re.fullmatch(r"[0-9a-f]{8,64}", session_id):
            return ""
        return server_log.last_lines(self.folder / f"{session_id}.log", lines)

    def cut_logs(self) -> None:
        for file in self.folder.glob("*.log"):
            server_log.cut(file)

    def _server(self, spec: SessionSpec, place: Path, port: int) -> Argv:
        """The argv of the session's server, begun by the `start` file where there is one."""
        command = [
            f"{Path(conda.server_python(place)).parent}/jupyter-server",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={spec.base_url}",
            f"--ServerApp.root_dir={self.sandbox.home(spec.home)}",
            "--ServerApp.allow_remote_access=True",
            "--ServerApp.open_browser=False",
            "--ServerApp.quit_button=False",
        ]
        if os.geteuid() == 0 and not self.sandbox.own_uids:
            command.append("--ServerApp.allow_root=True")
        begun_by = self.images.start_file(spec.image)
        begin = [f"{place}/repo/{begun_by}"] if begun_by else []
        return conda.activated(place, [*begin, *command])

    def _within(
        self,
        row: Mapping[str, Any],
        command: Sequence[str],
        variables: Mapping[str, str] = NOTHING,
    ) -> Argv:
        """The argv that runs the command in the session's sandbox, held to its limits."""
        home, place = Path(row["home"]), Path(row["place"])
        read = [
            place,
            *(one for python in self.images.pythons(row["image"]) for one in outside_usr(python)),
            *trusted_files(self.images.ca_bundle),
        ]
        alone = [*ALONE, *command] if self.sandbox.bwrap else command
        inside = self.sandbox.command(
            alone,
            home=home,
            uid=uid_of(row["owner"]),
            variables={**variables, "PATH": self._said(home, place)["PATH"]},
            limit=limit_of(self._rlimit(row["processes"])),
            read=read,
            memory=row.get("memory", {}),
        )
        return self.cgroups.joined(row["id"], [CHOOM, "-n", KILLED_FIRST, "--", *inside])

    def _rlimit(self, processes: int) -> int:
        """The limit by user where no control group counts; 0 where that would count others."""
        counted = "pids" not in self.cgroups.kept and promises.counts_processes(self.sandbox)
        return processes if counted else 0

    def _environment(self, home: Path, place: Path) -> dict[str, str]:
        return self.sandbox.environment(home, self._said(home, place))

    def _said(self, home: Path, place: Path) -> dict[str, str]:
        """What a session's programs are told of where things are."""
        path = f"{self.sandbox.home(home)}/.local/bin:{place}/venv/bin:/usr/local/bin:/usr/bin:/bin"
        runtime_dir = "/tmp/jupyter-runtime"
        if not self.sandbox.bwrap:
            runtime_dir = str(self.folder / "jupyter-runtime")
        return {
            **self.variables,
            "PATH": path,
            "VIRTUAL_ENV": f"{place}/venv",
            "REPO_DIR": f"{place}/repo",
            "NB_PYTHON_PREFIX": f"{place}/venv",
            "JUPYTER_RUNTIME_DIR": runtime_dir,
            **trust_variables(self.images.ca_bundle),
            **conda.variables(place, path),
        }

    def _row(self, session_id: str) -> dict[str, Any] | None:
        if not re.fullmatch(r"[0-9a-f]{8,64}", session_id):
            return None
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.folder / f"{session_id}.json").read_text()))
        return None


def limit_of(processes: int) -> Argv:
    """What runs a command without core files, and but for 0 limits all processes of its user."""
    most = [f"--nproc={processes}"] if processes else []
    return [PRLIMIT, *most, "--core=0", "--"]


def session_of(row: dict[str, Any]) -> Session:
    """What a session's file and the process table say."""
    running = row["pid_started"] is not None and start_time(row["pid"]) == row["pid_started"]
    return Session(
        id=row["id"],
        owner=row["owner"],
        course=row["course"],
        image=row["image"],
        link=row["link"],
        started=row["started"],
        address=f"http://127.0.0.1:{row['port']}" if running else "",
        running=running,
        ended="" if running else "its server ended",
        egress=row.get("egress", "web"),
    )


def uid_of(owner: str) -> int:
    """The student's own user id on this machine, always the same."""
    return FIRST_UID + int(hashlib.sha256(owner.encode()).hexdigest()[:7], 16)
