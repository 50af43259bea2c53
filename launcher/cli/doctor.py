"""`launcher doctor`: what a box needs, checked, with the way out on the next line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from launcher.cli import Context
from launcher.database import Database
from launcher.doctor import machine, network, secrets, state
from launcher.doctor.finding import Finding
from launcher.errors import NoRuntime, SecretGone
from launcher.gateway.process import find_gateway, url_of
from launcher.in_use import HINT, why_not_ours
from launcher.runtimes.base import Runtime


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("doctor")
    parser.add_argument("--fix", action="store_true", help="remove what is safe to remove")
    parser.set_defaults(handler=doctor)


def doctor(args: argparse.Namespace, context: Context) -> int:
    """0 when the launcher can work, 1 when something keeps it from that."""
    findings = list(look(context, fix=args.fix))
    lines = [line for one in findings for line in one.lines()]
    rows = [{**asdict(one), "level": one.level.lower()} for one in findings]
    context.show(rows, "\n".join(lines))
    return 1 if any(one.level == "FAIL" for one in findings) else 0


def look(context: Context, *, fix: bool) -> Iterator[Finding]:
    """Every check, those of the machine first."""
    config = context.config
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    disks = {"data": config.data}
    runtime: Runtime | None = None
    missing = Finding("runtime", False, "none")
    try:
        runtime = context.parts.runtime
        disks.update(("images", folder) for folder in runtime.folders())
    except SecretGone as error:
        missing = Finding("secret key", False, error.message, error.hint)
    except NoRuntime as error:
        missing = Finding("runtime", False, error.message, error.hint)
    yield from machine.look(config, disks)
    yield from secrets.look(config)
    if runtime is None:
        yield missing
        return
    health = runtime.health()
    yield Finding("runtime", health is None, health or context.parts.why_runtime)
    yield Finding("isolation", True, runtime.describe())
    others = why_not_ours(config, context.parts.secret)
    if others:
        yield Finding("settings", False, f"{others} So nothing is changed.", HINT, serious=False)
    else:
        trouble = runtime.protect()
        yield Finding("walls", not trouble, trouble or "all that this runtime has are up")
    warm = runtime.warm
    why = warm.why_not() if warm else "this runtime starts a session when somebody clicks"
    yield Finding("warm sessions", True, f"none: {why}" if why else "can be kept")
    gateway = find_gateway(config, context.parts.secret)
    announced = gateway.announced() if gateway else None
    here = url_of(config, announced.public if announced else config.listen[1])
    yield from network.way_in(config, gateway, here)
    yield network.reach(config)
    yield network.origin(config)
    yield from network.way_out(config)
    hosts = [host for name, host, *_ in network.places(config) if name.startswith("git host")]
    yield from machine.clock([f"https://{host}" for host in hosts])
    yield from state.look(config, runtime, Database.of(config.data), fix=fix and not others)
