"""What only repo2docker builds: it runs as a program of its own, with our image name and limits.

Its installation is optional (the extra `repo2docker`), and nothing of it is imported.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envs.builder import LONGEST_LINE, Say
from envs.errors import BadEnvironment, BuildFailed, NotOffered
from envs.halt import NO_HALT, Halt
from envs.recipe import Recipe
from envs.render import REPO
from launcher.machine.proxy import NO_PROXY, Proxy
from launcher.runtimes.docker.buildkit import CACHES

PROGRAM = "jupyter-repo2docker"
INSTALL = "pip install 'split-launcher[repo2docker]'"
SAFE = re.compile(r"[\w./:@+-]+")
"""Values of labels that repo2docker can write into a Dockerfile, between quotes, as they are."""
PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_ALL|TMPDIR|(DOCKER|BUILDX|BUILDKIT)_\w+|(https?|no)_proxy"
    r"|SSL_CERT_FILE|REQUESTS_CA_BUNDLE",
    re.IGNORECASE,
)
"""What of the launcher's environment the program gets; the rest may hold secrets."""
GRACE = 2.0
"""Seconds between the request to end and the end."""
# Sessions cover the home, where Nix keeps its links, with the student's folder; and repo2docker's
# own wrapper looks for default.nix in the working folder and joins a command's words by spaces.
NIX = """
USER root
RUN printf '%s\\n' '#!/bin/bash' \\
 'exec nix-shell "$LAUNCHER_NIX" --command "exec $(printf "%q " $LAUNCHER_START "$@")"' \\
 > /usr/local/bin/launcher-nix && chmod 755 /usr/local/bin/launcher-nix
ENV R2D_ENTRYPOINT=/usr/local/bin/launcher-nix LAUNCHER_NIX=<file> \\
 LAUNCHER_START=<start> PATH=/nix/var/nix/profiles/per-user/jovyan/profile/bin:${PATH} \\
 NIX_PATH=nixpkgs=/nix/var/nix/profiles/per-user/jovyan/channels/nixpkgs
USER jovyan
"""


@dataclass(frozen=True)
class Delegate:
    """repo2docker, if it is here and the settings want it."""

    allowed: bool = True
    program: str = ""
    """A path from the settings; empty looks beside the launcher and in PATH."""
    timeout: float = 3600.0
    """Seconds that one build may take."""
    proxy: Proxy = NO_PROXY

    def find_program(self) -> str | None:
        beside = Path(sys.executable).with_name(PROGRAM)
        return shutil.which(self.program or str(beside)) or (
            None if self.program else shutil.which(PROGRAM)
        )

    def ensure_program(self, recipe: Recipe) -> str:
        """The program that builds the recipe.

        :raises NotOffered: it is not here or not wanted, with the way out.
        """
        if not self.allowed:
            raise NotOffered(
                f"{recipe.delegated}, which this server does not build.",
                hint="Use a Dockerfile, or set environments.builder: auto.",
            )
        found = self.find_program()
        if not found:
            raise NotOffered(
                f"{recipe.delegated}, which repo2docker builds, and it is not installed here.",
                hint=f"Use a Dockerfile, or let the administrator run {INSTALL}.",
            )
        return found

    def plan(self, recipe: Recipe) -> str:
        """What shapes the image beside the commit.

        :raises NotOffered: repo2docker is not here.
        """
        program = self.ensure_program(recipe)
        changed = Path(program).stat().st_mtime_ns
        words = build_command(program, recipe, source="", tag="", labels={})[1:]
        return "\n".join([version_of(program, changed), *words])

    def build(
        self,
        recipe: Recipe,
        *,
        source: Path,
        tag: str,
        labels: Mapping[str, str],
        say: Say,
        halt: Halt = NO_HALT,
        cache: str = "",
    ) -> None:
        """Build the checkout and tag the result; `cache` as in `buildkit.build`.

        :raises BuildFailed: it failed, or took too long. :raises BadEnvironment: see below.
        :raises BuildCancelled: `halt` ended it.
        """
        program = self.ensure_program(recipe)
        check_links(source)
        say(f"Handing over to repo2docker: {recipe.delegated}")
        # The values come by the environment: the log has every command that fails.
        passed = [*self.proxy.variables, CACHES]
        command = build_command(
            program, recipe, source=str(source), tag=tag, labels=labels, passed=passed
        )
        run(command, say=say, halt=halt.within(self.timeout), proxy=self.proxy, cache=cache)

    def dockerfile(self, recipe: Recipe, *, source: Path) -> str:
        """What repo2docker would build; nothing is built.

        :raises BuildFailed: it cannot say, for example because it asks the network for versions.
        """
        program = self.ensure_program(recipe)
        check_links(source)
        lines: list[str] = []
        words = build_command(program, recipe, source=str(source), tag="env/none", labels={})
        run([words[0], "--no-build", *words[1:]], say=lines.append, halt=NO_HALT.within(60))
        first = next((at for at, line in enumerate(lines) if line.startswith("FROM ")), 0)
        return "\n".join(lines[first:]) + "\n"


def build_command(
    program: str,
    recipe: Recipe,
    *,
    source: str,
    tag: str,
    labels: Mapping[str, str],
    passed: Collection[str] = (),
) -> list[str]:
    """The argv of a build. No I/O here.

    `passed` names variables that the build gets: docker reads their values from its environment.
    """
    command = [
        program,
        "--no-run",
        "--user-id=1000",
        "--user-name=jovyan",
        f"--target-repo-dir={REPO}",
        # It leaves that out with --no-run; a builder of the docker-container kind needs it.
        "--DockerEngine.extra_buildx_build_args=--load",
        *(f"--DockerEngine.extra_buildx_build_args=--build-arg={name}" for name in sorted(passed)),
        f"--image-name={tag}",
    ]
    for name, value in sorted(labels.items()):
        if SAFE.fullmatch(value):  # a layer of our own has all of them
            command.append(f"--label={name}={value}")
    appendix = appendix_of(recipe)
    return [*command, *([f"--appendix={appendix}"] if appendix else []), source]


def appendix_of(recipe: Recipe) -> str:
    """Lines that end the Dockerfile."""
    file = next((path for path in recipe.used if path.endswith("default.nix")), "")
    if not file or not recipe.delegated.startswith(file):
        return ""
    start = next((f"{REPO}/{path}" for path in recipe.used if path.split("/")[-1] == "start"), '""')
    text = NIX.replace("<file>", f"{REPO}/{file}").replace("<start>", start)
    return text if start == '""' else f"RUN chmod +x {start}\n{text}"


@functools.cache
def version_of(program: str, _changed: int) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, env=environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key)}


def check_links(source: Path) -> None:
    """repo2docker opens files of the repository here, outside of any container.

    :raises BadEnvironment: a link leads out of the repository.
    """
    inside = source.resolve()
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not within(path, inside):
                raise BadEnvironment(
                    f"{path.relative_to(source)} is a link that leads out of the repository.",
                    hint="Make it a plain file.",
                )


def within(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (RuntimeError, OSError):  # a link that leads to itself
        return False


def run(
    command: Sequence[str], *, say: Say, halt: Halt, proxy: Proxy = NO_PROXY, cache: str = ""
) -> None:
    """Run to the end, every line said; whatever happens, nothing is left over.

    In an empty folder, because repo2docker runs a `repo2docker_config.py` of the working folder.

    :raises BuildFailed: it failed, or took too long; :raises BuildCancelled: `halt` ended it.
    """
    tail: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="launcher-delegate-") as folder,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(), **proxy.variables, CACHES: cache},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            with halt.ending(lambda: end_group(process)):
                while line := process.stdout.readline(LONGEST_LINE) if process.stdout else "":
                    tail = [*tail[-99:], proxy.hidden(line.rstrip())]
                    say(tail[-1])
                process.wait()
        finally:
            end_group(process)
    if process.returncode:
        said = first_error(tail) or f"exit code {process.returncode}"
        hint = "Install Docker's plugin buildx." if "buildx plugin" in said else ""
        raise BuildFailed(f"repo2docker failed: {said}", hint=hint, log_tail=tail[-20:])


def end_group(process: subprocess.Popen[str]) -> None:
    """End the program and all that it started, politely first."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)


def first_error(lines: Sequence[str]) -> str:
    """The line that says why: repo2docker's last ones are of its own command that failed."""
    wrong = [line.strip() for line in lines if re.match(r"\s*(\w+Error|ERROR|E:)\b", line)]
    own = [line for line in wrong if "CalledProcessError" not in line]
    return (own or wrong or [line for line in lines if line.strip()][-1:] or [""])[0]
