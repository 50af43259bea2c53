"""`launcher doctor`: what a box needs, checked, with the way out on the next line."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from launcher.cli import Context
from launcher.config import Config
from launcher.errors import NoRuntime
from launcher.gateway.process import find_gateway

GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    sentence: str
    way_out: str = ""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("doctor", help="check what the launcher needs on this machine")
    parser.set_defaults(handler=doctor)


def doctor(_args: argparse.Namespace, context: Context) -> int:
    findings = [*machine(context.config), *launcher(context)]
    lines = []
    for one in findings:
        lines.append(f"{'ok  ' if one.ok else 'FAIL'} {one.name}: {one.sentence}")
        if not one.ok and one.way_out:
            lines.append(f"     {one.way_out}")
    context.show([asdict(one) for one in findings], "\n".join(lines))
    return 0 if all(one.ok for one in findings) else 1


def machine(config: Config) -> Iterator[Finding]:
    """Git, disk and memory."""
    git = shutil.which("git")
    version = subprocess.run(["git", "--version"], capture_output=True, text=True) if git else None
    yield Finding(
        "git", bool(version), version.stdout.strip() if version else "missing", "apt install git"
    )
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = config.data.stat().st_mode & 0o077 == 0
    yield Finding(
        "data",
        private and os.access(config.data, os.W_OK),
        f"{config.data} is {'private' if private else 'open to other users'}",
        f"chmod 700 {config.data}",
    )
    free = shutil.disk_usage(config.data).free
    yield Finding(
        "disk", free > 5 * GIB, f"{free / GIB:.0f} GiB free", "Images need room: free 5 GiB."
    )
    least = config.builds.min_free
    yield Finding(
        "room for builds",
        free >= least,
        f"{free / GIB:.1f} GiB free, builds begin with {least / GIB:.1f}",
        "Make room there, or lower builds.min_free.",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fit = int(max(memory - 2 * GIB, 0) // config.session.memory)
    yield Finding(
        "memory",
        fit >= 1,
        f"{memory / GIB:.0f} GiB hold {fit} sessions of {config.session.memory / GIB:.1f}",
        "Lower session.memory in the settings.",
    )
    for one in config.git.credentials:
        closed = one.file.stat().st_mode & 0o077 == 0
        readable = os.access(one.file, os.R_OK)
        yield Finding(
            f"credential {one.name}",
            closed and readable,
            f"for {one.url}"
            if closed and readable
            else f"{one.file} is open to other users"
            if readable
            else f"{one.file} cannot be read",
            f"chmod 600 {one.file}, and make it the launcher's own",
        )


def launcher(context: Context) -> Iterator[Finding]:
    """The runtime and the public port."""
    try:
        runtime = context.parts.runtime
        health = runtime.health()
        yield Finding("runtime", health is None, health or context.parts.why_runtime)
        yield Finding("isolation", True, runtime.describe())
        trouble = runtime.protect()
        yield Finding("walls", not trouble, trouble or "sessions cannot reach what they should not")
        warm = runtime.warm
        why = warm.why_not() if warm else "this runtime starts a session when somebody clicks"
        yield Finding("warm sessions", True, f"none: {why}" if why else "can be kept")
    except NoRuntime as error:
        yield Finding("runtime", False, error.message, error.hint)
        return
    host, port = context.config.listen
    if find_gateway(context.config, context.parts.secret):
        yield Finding("gateway", True, f"answers for {host}:{port}")
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            yield Finding("port", True, f"{host}:{port} is free; the launcher does not serve now")
        except OSError as error:
            yield Finding(
                "port",
                False,
                f"{host}:{port}: {error.strerror}",
                "Choose another with `listen` in the settings.",
            )
