"""Git, as the host runs it: no hooks, no prompts, no exotic transports, only allowed hosts.

The one place that starts git for addresses that come from a link. Never run in a folder that a
student can write to: such a `.git` may name programs to start.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from envs.credentials import Credential, find_credential
from envs.errors import GitHostDown, HostNotAllowed, TooLarge
from envs.hosts import Resolve, addresses_of, check_host, host_of, is_address, is_proxied, pin

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
HEADER = re.compile(r"<= Recv header: ([\w-]+): (\S+)")
MOST = 64 * 1024**2
"""Bytes that one command may print: a few small objects can name themselves without end."""
ONE_PACK = ("-c", "fetch.unpackLimit=1")
"""Whatever comes is one file: `largest` counts per file, and many small ones take longer."""
TOO_LARGE = re.compile("File too large|Out of memory")
QUESTION = "/info/refs?service=git-upload-pack"


Watch = Callable[[], object]
WATCH = 1.0
"""Seconds between two calls."""


def nobody() -> None:
    """Where nobody watches."""


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
    memory: int = 0
    """Bytes that each git process may allocate; 0 is no limit. Files that it maps do not count."""
    resolve: Resolve = addresses_of

    def check_url(self, url: str) -> None:
        """Refuse an address that links must not make this machine contact.

        :raises BadEnvironment: its scheme is not https, http or ssh, or it holds a password.
        :raises HostNotAllowed: its host is not allowed by the settings.
        """
        check_host(url, self.hosts, setting="git.hosts", resolve=self.resolve)

    def run(
        self,
        *args: str,
        cwd: Path | None = None,
        timeout: float | None = None,
        remote: str = "",
        largest: int = 0,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        watch: Watch = nobody,
    ) -> str:
        """Run `git ARGS` and return what it printed.

        `remote` is the address that the command contacts, so that a credential for it counts;
        `largest` are the bytes that one file may have which the command writes (0: no limit);
        `watch` is called every second, and ends the command by raising what it will.

        :raises GitFailed: it ended with an error.
        :raises GitHostDown: it took longer than the timeout, or its credential cannot be read.
        :raises TooLarge: it prints more than `MOST` bytes.
        """
        words, at = args, remote
        seconds = timeout or self.timeout
        deadline = time.monotonic() + seconds

        def left() -> float:
            return max(1.0, deadline - time.monotonic())

        run = functools.partial(
            self._run,
            allowed=seconds,
            cwd=cwd,
            largest=largest,
            env=env,
            stdin=stdin,
            watch=watch,
        )
        for _ in range(REDIRECTS):
            try:
                return run(words, at, timeout=left())
            except GitFailed as error:
                if not REDIRECTED.search(error.stderr):
                    raise
                target = self.redirected(at, left())
                if not target:
                    raise
                self.check_redirect(at, target)
                words = tuple(target if word == at else word for word in words)
                at = target
        return run(words, at, timeout=left())

    def check_redirect(self, url: str, target: str) -> None:
        """A server may send anybody anywhere."""
        if host_of(target) == host_of(url):
            return
        try:
            self.check_url(target)
        except HostNotAllowed as error:
            raise HostNotAllowed(
                f"{host_of(url)[0]} leads on to another server. {error.message}", hint=error.hint
            ) from error

    def redirected(self, url: str, seconds: float) -> str:
        """Where the git server at `url` says that the repository is now; empty for nowhere."""
        said = self.headers(url, seconds).get("location", "")
        kept = urljoin(url.rstrip("/") + QUESTION, said).removesuffix(QUESTION)
        downgrade = url.startswith("https:") and not kept.startswith("https:")
        return "" if kept.rstrip("/") == url.rstrip("/") or downgrade else kept

    def list_remote(self, url: str, *options: str) -> str:
        """What `git ls-remote` says of the repository at `url`.

        :raises GitFailed: see `run`; also where a page is, for git takes a short one for an empty
            repository.
        """
        listed = self.run("ls-remote", *options, "--", url, remote=url)
        kind = "" if listed else self.headers(url, self.timeout).get("content-type", "")
        if kind.startswith("text/html"):
            raise GitFailed("ls-remote", 0, "info/refs not valid: is this a git repository?")
        return listed

    def headers(self, url: str, seconds: float) -> dict[str, str]:
        """The first words of what the server at `url` answers to git, by lower-case names."""
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder, "trace")
            env = {"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1"}
            with contextlib.suppress(GitFailed):
                self._run(("ls-remote", "--", url), url, timeout=seconds, env=env)
            text = ""
            if trace.exists():
                with trace.open(encoding="utf-8", errors="replace") as file:
                    text = file.read(1 << 20)
        return {name.lower(): value for name, value in HEADER.findall(text)}

    def _run(
        self,
        args: tuple[str, ...],
        remote: str,
        *,
        timeout: float,
        allowed: float | None = None,
        cwd: Path | None = None,
        largest: int = 0,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        watch: Watch = nobody,
    ) -> str:
        """See `run`; `allowed` are the seconds that were given in all, if not `timeout`."""
        credential = find_credential(self.credentials, remote)
        setting, options = self.pinned(remote)
        limits = [f"--{kind}={most}" for kind, most in (("fsize", largest), ("data", self.memory))
                  if most]  # fmt: skip
        argv = ["prlimit", *limits, "--"] if limits else []
        config = (*SAFE_CONFIG, setting) if setting else SAFE_CONFIG
        argv += ["git", *(word for one in config for word in ("-c", one)), *args]
        with tempfile.TemporaryFile() as given:
            given.write(stdin.encode())
            given.seek(0)
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd or "/",
                    env=self.environment() | self.access(credential, options) | dict(env or {}),
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # so that its helpers can be ended with it
                )
            except FileNotFoundError as error:
                raise GitFailed(args[0], 127, f"{argv[0]} is not installed") from error
        try:
            out, err = printed(process, timeout, watch)
        except subprocess.TimeoutExpired as error:
            whose = f" of {remote}" if remote else ""
            raise GitHostDown(
                f"The git server{whose} did not answer within {allowed or timeout:.0f} s.",
                hint="Try again in a minute; the link itself may be fine.",
            ) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        if process.returncode == 0:
            return out.decode("utf-8", "surrogateescape")
        raise GitFailed(args[0], process.returncode, err.decode("utf-8", "replace"))

    def pinned(self, remote: str) -> tuple[str, str]:
        """What keeps git to the addresses of the host that were checked just now, see `pin`.

        :raises GitHostDown: a public host is asked for, and there is none of this name.
        """
        if self.personal or not remote:
            return "", ""
        host, port = host_of(remote)
        found = check_host(remote, self.hosts, setting="git.hosts", resolve=self.resolve)
        named = {host, f"{host}:{port}"} & set(self.hosts)
        if not (found or named or is_address(host) or is_proxied(remote)):
            raise GitHostDown(
                f"There is no server called {host}.",
                hint="Check the address's spelling, or try again in a minute.",
            )
        return pin(remote, found)

    def access(self, credential: Credential | None, options: str = "") -> dict[str, str]:
        """What lets a command in: never on its command line, which every user can list."""
        ssh = f"ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new{options}"
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


def is_too_large(error: GitFailed) -> bool:
    """True where a limit on what git may write or allocate has ended it (25 is SIGXFSZ).

    A connection that broke makes index-pack end as well, but then git says more than that.
    """
    alone = error.stderr.strip() == "fatal: fetch-pack: invalid index-pack output"
    return alone or "signal 25" in error.stderr or TOO_LARGE.search(error.stderr) is not None


def printed(process: subprocess.Popen[bytes], timeout: float, watch: Watch) -> tuple[bytes, bytes]:
    """What a process prints until it ends, on stdout and stderr; `watch` is called every second.

    :raises subprocess.TimeoutExpired: it goes on for more than `timeout` seconds.
    :raises TooLarge: it prints more than `MOST` bytes.
    """
    deadline = time.monotonic() + timeout
    look = time.monotonic() + WATCH
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, kept in ((process.stdout, out), (process.stderr, err)):
            if pipe:
                pipes.register(pipe, selectors.EVENT_READ, kept)
        while pipes.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout)
            if time.monotonic() >= look:
                watch()
                look = time.monotonic() + WATCH
            for key, _ in pipes.select(min(left, WATCH)):
                piece = os.read(key.fd, 1 << 16)
                if not piece:
                    pipes.unregister(key.fileobj)
                key.data.extend(piece)
            if max(len(out), len(err)) > MOST:
                raise TooLarge(
                    "The repository holds more than this server reads: its list of files does not "
                    f"end within {MOST >> 20} MB.",
                    hint="Keep data elsewhere, and a folder in one place.",
                )
    process.wait(max(1.0, deadline - time.monotonic()))
    return bytes(out), bytes(err)
