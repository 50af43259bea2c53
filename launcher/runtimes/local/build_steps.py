"""One step of a build: a command in the sandbox, as a user of its own, with its output told."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from envs.builder import LONGEST_LINE, TAIL, Say
from envs.errors import BuildFailed
from envs.halt import Halt
from envs.netrc import Netrc
from launcher.machine.proxy import Proxy, proxy_of_environment
from launcher.runtimes.local import conda
from launcher.runtimes.local.processes import send, tree
from launcher.runtimes.local.pythons import outside_usr
from launcher.runtimes.local.sandbox import FIRST_UID, Sandbox
from launcher.runtimes.local.trust import trust_variables, trusted_files
from launcher.settings.sections import CondaConfig

BUILD_UID = FIRST_UID - 1
WRONG = re.compile("error|its ", re.IGNORECASE)
"""In a line of a tool, or of the smoke run."""


@dataclass(frozen=True)
class BuildSteps:
    """Runs the steps of a build; what they write is in its place and in the cache."""

    folder: Path
    """Where secrets are for one step."""
    cache: Path
    """Of packages."""
    sandbox: Sandbox
    conda: CondaConfig
    python: Path
    """What the environment stands on, by the launcher's word: a build can write its venv's."""
    index_url: str
    ca_bundle: Path | None

    def run(
        self,
        step: Sequence[str],
        place: Path,
        home: Path,
        say: Say,
        halt: Halt,
        *,
        netrc: Netrc | None = None,
    ) -> None:
        """Run the step in `place`; requirements can run any program.

        :raises BuildFailed: it failed, or was halted; with the end of its output.
        """
        if netrc:
            with self._secret(netrc) as secret:
                hidden = lambda line: say(netrc.hidden(line))  # noqa: E731
                self._run(step, place, home, hidden, halt, secret)
        else:
            self._run(step, place, home, say, halt)

    @contextlib.contextmanager
    def _secret(self, netrc: Netrc) -> Iterator[Path]:
        """The indexes' credentials in a file that only the build's user can read, for one step."""
        folder = self.folder / f"secret-{uuid.uuid4().hex}"
        folder.mkdir(mode=0o700)
        file = folder / "netrc"
        try:
            file.touch(mode=0o600)
            file.write_text(netrc.text, "utf-8")
            if self.sandbox.own_uids:
                for path in (file, folder):
                    os.chown(path, BUILD_UID, BUILD_UID)
            yield file
        finally:
            shutil.rmtree(folder)

    def command(
        self, step: Sequence[str], place: Path, home: Path, *, path: str, secret: Path | None = None
    ) -> list[str]:
        """The argv of a step, which finds programs by `path`; nothing is started."""
        return self.sandbox.command(
            step,
            home=home,
            uid=BUILD_UID,
            variables={"PATH": path},
            read=[
                *outside_usr(self.python),
                *trusted_files(self.ca_bundle),
                *self.conda.folders(),
                *([secret.parent] if secret else []),
            ],
            write=[place, self.cache],
            chdir=str(place / "repo"),
        )

    def _variables(
        self, place: Path, home: Path, proxy: Proxy, secret: Path | None
    ) -> dict[str, str]:
        """What tools go by, beside what every sandbox has."""
        path = f"{place}/venv/bin:/usr/local/bin:/usr/bin:/bin"
        found = {
            **proxy.variables,
            "PATH": path,
            "VIRTUAL_ENV": f"{place}/venv",
            "NB_PYTHON_PREFIX": f"{place}/venv",
            "KERNEL_PYTHON_PREFIX": f"{place}/venv",
            "REPO_DIR": f"{place}/repo",
            "UV_CACHE_DIR": str(self.cache),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV": uv.find_uv_bin(),
            **trust_variables(self.ca_bundle),
            **conda.variables(place, f"{self.sandbox.home(home)}/.local/bin:{path}"),
        }
        if secret:
            found["NETRC"] = str(secret)
        if self.index_url:
            found |= {"UV_DEFAULT_INDEX": self.index_url, "PIP_INDEX_URL": self.index_url}
        return found

    def _run(
        self,
        step: Sequence[str],
        place: Path,
        home: Path,
        say: Say,
        halt: Halt,
        secret: Path | None = None,
    ) -> None:
        proxy = proxy_of_environment()
        variables = self._variables(place, home, proxy, secret)
        tail, wrong = deque[str](maxlen=TAIL), ""
        process = subprocess.Popen(
            self.command(step, place, home, path=variables["PATH"], secret=secret),
            env=self.sandbox.environment(home, variables),
            cwd=None if self.sandbox.bwrap else place / "repo",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            with halt.ending(lambda: end_group(process)):
                while line := process.stdout.readline(LONGEST_LINE) if process.stdout else "":
                    tail.append(proxy.hidden(line.rstrip("\n")))
                    wrong = wrong or (tail[-1] if WRONG.search(line) else "")
                    say(tail[-1])
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            end_group(process)  # what it left behind; its id is its own until `wait`
            process.communicate()
        if process.returncode:
            said = wrong or (tail[-1] if tail else f"exit code {process.returncode}")
            raise BuildFailed(
                f"{step[0].rsplit('/', 1)[-1]} failed with exit code {process.returncode}: "
                f"{said.strip()}",
                log_tail=tuple(tail),
            )


def end_group(process: subprocess.Popen[str]) -> None:
    """End a step that nobody has waited for yet, and all that it started."""
    send(tree(process.pid), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
