"""Builds in one container that is then committed: slower than BuildKit, but with limits.

BuildKit ignores limits of memory, and takes secrets only from a command-line client. Here the steps
of a Dockerfile that the launcher rendered run one by one in a container with limits, with package
caches in volumes, and with credentials of package indexes in memory while packages are installed.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import json
import posixpath
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import docker
from docker.errors import DockerException
from urllib3.exceptions import HTTPError

from envs.builder import LONGEST_LINE, TAIL, Say
from envs.errors import BuildFailed
from envs.halt import Halt
from envs.netrc import Netrc
from launcher.errors import LaunchError
from launcher.machine.proxy import NO_PROXY, Proxy
from launcher.runtimes.docker import buildkit
from launcher.runtimes.docker.exec import exit_code, output_of, run_in_container
from launcher.runtimes.docker.limits import BuildLimits, container_name, kill
from launcher.runtimes.docker.steps import Copy, Mount, Run, Script, copied, parse_script

CACHE_LABEL = "launcher.cache"
SECRETS = "/run/launcher"
"""In memory, and root's: no step can put anything in the way there."""
INSTALLS = "/tmp/uv-cache"
"""A step that mounts this cache installs packages."""
# A step ends with its command, as in BuildKit: what it left running has the output open, and could
# keep the credentials. `kill` spares who calls it and the container's first process.
ALONE = '"$@"; code=$?; kill -s KILL -- -1; exit $code'
# Both kinds of cgroups count what the kernel killed for want of memory.
KILLS = (
    "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null"
    " | grep '^oom_kill [1-9]'; true"
)
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Without the environment's own folder, in which steps write that are not root's."""


@dataclass
class CommitBuild:
    """One build; `cache` is whose package caches it uses and fills."""

    client: docker.DockerClient
    limits: BuildLimits
    cache: str
    say: Say
    halt: Halt
    netrc: Netrc | None = None
    proxy: Proxy = NO_PROXY

    def build(
        self, context: IO[bytes], *, tag: str, dockerfile: str, labels: Mapping[str, str]
    ) -> None:
        """Run the steps and tag the result.

        :raises BuildFailed: with the step that failed and the last lines.
        :raises BuildCancelled: `halt` ended it.
        """
        tail = deque[str](maxlen=TAIL)

        def both(line: str) -> None:
            clean = self.proxy.hidden(self.netrc.hidden(line) if self.netrc else line)
            tail.append(clean)
            self.say(clean)

        try:
            with tarfile.open(fileobj=context) as tar:
                text = tar.extractfile(dockerfile)
                script = parse_script(text.read().decode() if text else "")
                below = self.client.images.get(script.base).attrs["Config"]
                container = self._container(script, below)
                try:
                    with self.halt.ending(lambda: kill(container)):
                        container.start()
                        self._run_all(container, script, tar, both)
                        kill(container)  # and whatever a step left running
                        both("exporting to image")
                        changes = changes_of(script, below)
                        buildkit.commit(self.client, container.id, tag, changes, labels)
                finally:
                    container.remove(force=True)
        except BuildFailed as error:
            error.log_tail = error.log_tail or tuple(tail)
            raise
        except (DockerException, OSError, HTTPError, LaunchError) as error:
            raise BuildFailed(
                f"The engine ended the build: {error}", log_tail=tuple(tail)
            ) from error

    def _container(self, script: Script, below: Mapping[str, Any]) -> Any:
        """A container that only waits, with everything that any of the steps needs."""
        # As `volumes` docker-py would write them into the image's configuration.
        mounts = [docker.types.Mount(mount.target, self._volume(mount)) for mount in caches(script)]
        for mount in mounts:
            self.client.volumes.create(mount["Source"], labels={CACHE_LABEL: self.cache})
        idle = ["sleep", "infinity"]
        return self.client.containers.create(
            script.base,
            idle[1:] if below.get("Entrypoint") else idle,
            entrypoint=idle[:1] if below.get("Entrypoint") else None,
            user="0:0",
            working_dir="/",
            mounts=mounts,
            tmpfs={SECRETS: "mode=0755,size=1m"} if self.netrc else None,
            network_mode=self.limits.network or "bridge",
            security_opt=["no-new-privileges"],
            name=container_name(),  # a label would go into the image
            **self.limits.of_container(),
        )

    def _volume(self, mount: Mount) -> str:
        """Packages that a repository's build put into a cache are for its own next build only.

        What only root can write to, apt's, holds nothing of a repository and is shared.
        """
        whose = "" if mount.owner == "0:0" else self.cache
        return (
            f"launcher-cache-{hashlib.sha256(f'{whose} {mount.target}'.encode()).hexdigest()[:16]}"
        )

    def _run_all(self, container: Any, script: Script, tar: tarfile.TarFile, say: Say) -> None:
        for mount in caches(script):
            if mount.owner != "0:0":
                self._plain(container, ["chown", mount.owner, mount.target])
        for number, step in enumerate(script.steps, start=1):
            name = f"[{number}/{len(script.steps)}] {step.text}"
            say(name)
            if isinstance(step, Copy):
                self._copy(container, tar, step, step.owner)
                continue
            bound = [mount for mount in step.mounts if mount.kind == "bind"]
            for mount in bound:
                self._copy(container, tar, mount, "0:0")
            with self._secret(container, step) as more:
                self._run(container, name, step, more, say)
            for mount in bound:
                self._plain(container, ["rm", "-rf", "--", mount.target])

    def _run(self, container: Any, name: str, step: Run, more: Mapping[str, str], say: Say) -> None:
        command = ["/bin/sh", "-c", step.command]
        for mount in step.mounts:
            if mount.locked:
                command = ["flock", f"{mount.target}/.launcher-lock", *command]
        command = ["/bin/sh", "-c", ALONE, "step", *command]
        code = self._said(container, command, step, more, say)
        if not code:
            return
        if self._out_of_memory(container):
            raise self.limits.too_little_memory()
        raise BuildFailed(f"{name}: exit code: {code}")

    def _said(
        self, container: Any, command: Sequence[str], step: Run, more: Mapping[str, str], say: Say
    ) -> int:
        """Run the command, saying each line as it comes; its exit code."""
        api: Any = self.client.api
        made = api.exec_create(
            container.id,
            list(command),
            user=step.user,
            workdir=step.workdir,
            environment={**self.proxy.variables, **step.environment, **more},
            tty=False,
        )
        rest, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
        for chunk in output_of(self.client, made["Id"]):
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            for line in lines:
                say(line.rstrip("\r").rsplit("\r", 1)[-1])
            rest = rest[-LONGEST_LINE:]  # a progress display may never end its line
        if rest:
            say(rest.rsplit("\r", 1)[-1])
        return exit_code(self.client, made["Id"])

    def _out_of_memory(self, container: Any) -> bool:
        if not self.limits.memory:
            return False
        container.reload()
        if not container.attrs["State"]["Running"]:
            return bool(container.attrs["State"]["OOMKilled"])
        return bool(self._plain(container, ["/bin/sh", "-c", KILLS]))

    def _plain(self, container: Any, command: Sequence[str], stdin: bytes | None = None) -> bytes:
        """A short command as root, which must work; no program that a step of the build left."""
        done = run_in_container(
            self.client,
            container.id,
            command,
            user="0:0",
            workdir="/",
            environment={"PATH": SYSTEM_PATH},
            stdin=None if stdin is None else io.BytesIO(stdin),
            timeout=60,
        )
        if done.code:
            raise BuildFailed(f"{command[0]} failed: {done.err.decode('utf-8', 'replace')[-300:]}")
        return done.out

    @contextlib.contextmanager
    def _secret(self, container: Any, step: Run) -> Iterator[dict[str, str]]:
        """While packages are installed, the indexes' credentials; never on a disk."""
        if not self.netrc or not any(mount.target == INSTALLS for mount in step.mounts):
            yield {}
            return
        path = f"{SECRETS}/netrc"
        write = 'umask 077 && cat > "$0" && chown "$1" "$0"'
        self._plain(container, ["/bin/sh", "-c", write, path, step.user], self.netrc.text.encode())
        try:
            yield {"NETRC": path}
        finally:
            with contextlib.suppress(LaunchError, DockerException):
                self._plain(container, ["rm", "-f", "--", path])

    def _copy(self, container: Any, tar: tarfile.TarFile, copy: Copy | Mount, owner: str) -> None:
        """Put files of the context into the container; owners are ids here, as in Dockerfiles."""
        uid, gid = (int(one) for one in owner.split(":"))
        members = {member.name: member for member in tar.getmembers()}
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as out:
                for name, target in copied(list(members), copy):
                    member = members[name]
                    if member.islnk():  # the first name of the file may go elsewhere
                        member = members[member.linkname]
                    content = tar.extractfile(member) if member.isfile() else None
                    new = member.replace(name=target.lstrip("/"), uid=uid, gid=gid)
                    out.addfile(new, content)
            file.seek(0)
            self._plain(container, ["mkdir", "-p", "--", posixpath.dirname(copy.target) or "/"])
            container.put_archive("/", file)


def caches(script: Script) -> list[Mount]:
    """The caches of all steps, each once."""
    every = [
        mount
        for step in script.steps
        if isinstance(step, Run)
        for mount in step.mounts
        if mount.kind == "cache"
    ]
    return list({mount.target: mount for mount in every}.values())


def changes_of(script: Script, below: Mapping[str, Any]) -> list[str]:
    """What the image's configuration is to say, as lines of a Dockerfile."""
    changes = list(script.environment)
    changes.append(f"USER {script.user or below.get('User') or '0:0'}")
    changes.append(f"WORKDIR {script.workdir or below.get('WorkingDir') or '/'}")
    config = list(script.config)
    own = {line.partition(" ")[0] for line in config}
    if "ENTRYPOINT" not in own:
        if below.get("Entrypoint"):
            changes.append(f"ENTRYPOINT {json.dumps(below['Entrypoint'])}")
        if "CMD" not in own:  # as with Dockerfiles, an entrypoint of one's own forgets the command
            changes.append(f"CMD {json.dumps(below.get('Cmd') or [])}")
    return [*changes, *config]
