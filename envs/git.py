"""Git, as the host runs it: no hooks, no prompts, no exotic transports, only allowed hosts.

The one place that starts git for addresses that come from a link. Never run in a folder that a
student can write to: such a `.git` may name programs to start.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from envs.credentials import Credential, find_credential
from envs.errors import BadEnvironment, GitHostDown

SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.http.allow=always",
    "protocol.ssh.allow=always",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)

REDIRECTS = 3
REDIRECTED = re.compile(r"returned error: 30[12378]")


class GitFailed(Exception):
    """Git ended with an error; `stderr` is what it said, in English."""

    def __init__(self, command: str, code: int, stderr: str) -> None:
        super().__init__(f"git {command}: {stderr.strip() or f'exit code {code}'}")
        self.code = code
        self.stderr = stderr


@dataclass(frozen=True)
class Git:
    """Runs git by argv, in a clean environment."""

    hosts: tuple[str, ...] = ("*",)
    """`*` allows every public host; a private or loopback host must be named, `host` or
    `host:port`."""
    timeout: float = 60.0
    """Seconds for one command."""
    ca_bundle: Path | None = None
    credentials: tuple[Credential, ...] = ()
    """Ways into private repositories; the one for an address is found by the address."""
    personal: bool = False
    """True where a person types the address: then their own ssh keys count."""

    def check_url(self, url: str) -> None:
        """Refuse an address that links must not make this machine contact.

        :raises BadEnvironment: its scheme is not https, http or ssh, or it holds a password.
        :raises GitHostDown: its host is not allowed by the settings.
        """
        check_host(url, self.hosts, setting="git.hosts")

    def run(
        self,
        *args: str,
        cwd: Path | None = None,
        timeout: float | None = None,
        remote: str = "",
        largest: int = 0,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> str:
        """Run `git ARGS` and return what it printed.

        `remote` is the address that the command contacts, so that a credential for it counts;
        `largest` are the bytes that one file may have which the command writes (0: no limit).

        :raises GitFailed: it ended with an error.
        :raises GitHostDown: it took longer than the timeout, or its credential cannot be read.
        """
        words, at = args, remote
        for _ in range(REDIRECTS):
            try:
                return self._run(words, at, cwd, timeout, largest, env, stdin)
            except GitFailed as error:
                target = self.redirected(at) if REDIRECTED.search(error.stderr) else ""
                if not target:
                    raise
                if host_of(target) != host_of(at):
                    self.check_url(target)  # a server may send anybody anywhere
                words = tuple(target if word == at else word for word in words)
                at = target
        return self._run(words, at, cwd, timeout, largest, env, stdin)

    def redirected(self, url: str) -> str:
        """Where the git server at `url` says that the repository is now; empty for nowhere."""
        import requests  # takes a fifth of a second, and is needed only here

        question = "/info/refs?service=git-upload-pack"
        try:
            with requests.get(
                url.rstrip("/") + question,
                allow_redirects=False,
                timeout=self.timeout,
                stream=True,
                verify=str(self.ca_bundle) if self.ca_bundle else True,
            ) as answer:
                target = urljoin(url, answer.headers.get("Location", ""))
        except requests.RequestException:
            return ""
        kept = target.removesuffix(question)
        downgrade = url.startswith("https:") and not kept.startswith("https:")
        return "" if kept in (target, url) or downgrade else kept

    def _run(
        self,
        args: tuple[str, ...],
        remote: str,
        cwd: Path | None,
        timeout: float | None,
        largest: int,
        env: Mapping[str, str] | None,
        stdin: str,
    ) -> str:
        credential = find_credential(self.credentials, remote)
        argv = ["prlimit", f"--fsize={largest}", "--"] if largest else []
        argv += ["git", *(word for one in SAFE_CONFIG for word in ("-c", one)), *args]
        seconds = timeout or self.timeout
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd or "/",
                env=self.environment() | self.access(credential) | dict(env or {}),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that its helpers can be ended with it
            )
        except FileNotFoundError as error:
            raise GitFailed(args[0], 127, f"{argv[0]} is not installed") from error
        try:
            out, err = process.communicate(stdin.encode() if stdin else None, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise GitHostDown(
                f"The git server did not answer within {seconds:.0f} s.",
                hint="Try again in a minute; the link itself may be fine.",
            ) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode == 0:
            return out.decode("utf-8", "surrogateescape")
        raise GitFailed(args[0], process.returncode, err.decode("utf-8", "replace"))

    def access(self, credential: Credential | None) -> dict[str, str]:
        """What lets a command in: never on its command line, which every user can list."""
        ssh = "ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new"
        if credential and credential.is_ssh:
            key = shlex.quote(str(credential.check_file()))
            return {"GIT_SSH_COMMAND": f"{ssh} -oIdentitiesOnly=yes -oIdentityAgent=none -i {key}"}
        if not self.personal:  # a link must not use the keys of whoever runs the launcher
            ssh += " -oIdentitiesOnly=yes -oIdentityAgent=none -oIdentityFile=none"
        found = {"GIT_SSH_COMMAND": ssh}
        if credential:
            found |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": credential.header(),
            }
        return found

    def environment(self) -> dict[str, str]:
        """The environment of every git command: nothing of the caller's git settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        kept |= {
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "SSH_ASKPASS": "true",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_LFS_SKIP_SMUDGE": "1",
        }
        if self.ca_bundle:
            kept["GIT_SSL_CAINFO"] = str(self.ca_bundle)
        return kept


def check_host(url: str, hosts: Sequence[str], *, setting: str) -> None:
    """Refuse an address whose host the setting does not allow; `*` is every public one.

    :raises BadEnvironment: an address that names no host clearly.
    :raises GitHostDown: it is not allowed.
    """
    host, port = host_of(url)
    named = {host, f"{host}:{port}"} if port else {host}
    if named & set(hosts):
        return
    if "*" not in hosts:
        raise GitHostDown(
            f"This server does not fetch from {host}.",
            hint=f"The administrator can add the host to `{setting}` in the settings.",
        )
    if not _is_public(host):
        raise GitHostDown(
            f"{host} is not a public address, so this server does not fetch from it.",
            hint=f"The administrator can name the host in `{setting}` in the settings.",
        )


def host_of(url: str) -> tuple[str, int | None]:
    """Host and port of a git address, or BadEnvironment when it is not one."""
    scp = re.fullmatch(r"[\w.-]+@([A-Za-z0-9._-]+):(?!//)[^@]*", url)
    if scp:
        return scp[1].lower(), None
    # urlsplit and git read these differently, so that each would see another host.
    if re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise BadEnvironment(
            f"{url!r} holds a space, a backslash or a control character.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh") or not parts.hostname:
        raise BadEnvironment(
            f"{url!r} is not a git address.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise BadEnvironment(
            "The address holds a user name or password.",
            hint="Remove everything between // and @: links are shared with everybody.",
        )
    # A host in percent code, two @ or a ? before the path: git and curl contact another one.
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+", parts.hostname) or (
        parts.netloc.count("@") > 1
        or "%" in parts.netloc
        or parts.query
        or parts.fragment
        or "?" in url
        or "#" in url
    ):
        raise BadEnvironment(
            f"{url!r} is not a plain address.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    try:
        return parts.hostname.lower(), parts.port
    except ValueError as error:
        raise BadEnvironment(f"{url!r} has no valid port.") from error


def _is_public(host: str) -> bool:
    """True when every address of the host is reachable from the whole internet."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return True  # git says it better: could not resolve host
    return all(ipaddress.ip_address(address.split("%")[0]).is_global for address in found)
