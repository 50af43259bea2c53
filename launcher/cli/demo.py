"""`launcher demo`: a sample course, served from this machine, from nothing to a notebook."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from launcher import logs
from launcher import serve as serving
from launcher.cli import Context
from launcher.config import Config
from launcher.demo.git_server import GitServer
from launcher.demo.samples import GREETING, make_samples, sample_link
from launcher.errors import BadSettings
from launcher.machine.ports import free_port, is_free
from launcher.parts import Parts
from launcher.rehearsal.click import Click, ClickFailed
from launcher.runtimes import docker_answers, remembered
from launcher.settings.values import address
from link_generator.link import compose_link


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("demo")
    parser.add_argument("--once", action="store_true", help="click it once, run a cell and end")
    parser.add_argument("--runtime", choices=("auto", "docker", "local"))
    parser.add_argument("--listen", metavar="HOST:PORT", help="default: 127.0.0.1:8080, or free")
    parser.set_defaults(handler=demo)


def demo(args: argparse.Namespace, context: Context) -> int:
    context.looks = False  # it is no launcher of a class, on a machine that may have one
    if "data" not in context.overrides or not context.overrides["data"]:
        context.override(data=str(default_data(context, local=args.runtime == "local")))
    logs.set_up("json" if args.once and not sys.stderr.isatty() else "text", "warning")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    context.config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    repositories = context.config.data / "demo-repositories"
    make_samples(repositories)
    with GitServer(repositories, fixed_port(context.config)) as git:
        host, port = free_address(args.listen, once=args.once)
        context.override(
            listen=f"{host}:{port}",
            public_url=f"http://{host}:{port}",
            runtime=args.runtime,
            git__hosts=[git.host, "*"],
            log__level="warning",  # for the gateway too: its requests would bury the story
        )
        started = time.monotonic()
        running = serving.start(context.config)
        before = {session.id for session in running.parts.runtime.list()}
        try:
            link = compose_link(sample_link(f"http://{git.host}"), running.url)
            runtime = running.parts.why_runtime
            if args.once:
                return click_once(link, context, started, runtime)
            print(f"Runtime: {runtime}")
            print(f"The sample course's link; open it in a browser:\n\n  {link}\n")
            print(f"Make links of your own at {running.url}/   (Ctrl-C ends; files are kept)")
            sys.stdout.flush()
            running.wait()
        finally:
            running.stop()
            end_sessions(running.parts, before)
    return 0


def end_sessions(parts: Parts, before: Collection[str]) -> None:
    """Stop those that began with the demo: nobody would be there to do it. The files stay."""
    for session in parts.runtime.list():
        if session.id not in before:
            parts.runtime.stop(session.id)
            parts.history.ended(session.id, "the demo ended")


def click_once(link: str, context: Context, started: float, runtime: str) -> int:
    """Click as a browser would, say how long each step took, and stop the session."""
    steps: dict[str, float] = {}
    click = Click()

    def say(text: str) -> None:
        if not context.json:
            print(text, flush=True)

    def took(name: str, since: float) -> float:
        steps[name] = round(time.monotonic() - since, 2)
        say(f"{name}: {steps[name]} s")
        return time.monotonic()

    say(f"Runtime: {runtime}")
    at = took("launcher serves", started)
    say(link)
    try:
        click.open(link, say)
        at = took("link to notebook", at)
        notebook = click.notebook("intro/week1.ipynb")
        code = next(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")
        at = took("notebook read", at)
        output = click.run(code)
        took("cell run", at)
        say(output)
        if GREETING not in output:
            raise ClickFailed("The cell printed something else.", hint=output[:500])
    finally:
        for session in context.parts.runtime.list():
            if f"/s/{session.id}/" in click.url:
                context.parts.runtime.stop(session.id)
    total = round(time.monotonic() - started, 1)
    context.show({"ready": total, "steps": steps, "url": click.url}, f"ready in {total} s")
    return 0


def default_data(context: Context, *, local: bool) -> Path:
    """A folder of its own, so that a demo never touches a real launcher's data.

    Files of containers belong to another user than those of local sessions: a demo that had
    Docker and has it no more begins in another folder.
    """
    root = Path("/var/lib") if os.geteuid() == 0 else Path.home() / ".local/share"
    folder = root / "launcher-demo"
    if remembered(folder) == "docker" and (local or not docker_answers(context.config)):
        return root / "launcher-demo-local"
    return folder


def fixed_port(config: Config) -> int:
    """The git server's port of the last time: addresses name courses, and so students' folders."""
    path = config.data / "demo-port"
    if path.exists() and (port := int(path.read_text() or 0)) and is_free(port):
        return port
    port = free_port()
    path.write_text(str(port))
    return port


def free_address(wanted: str | None, *, once: bool) -> tuple[str, int]:
    if wanted:
        host, _, port = wanted.rpartition(":")
        try:
            return address(f"{host or '127.0.0.1'}:{port}")
        except ValueError as error:
            raise BadSettings(
                f"`--listen`: {wanted!r} is not HOST:PORT.", hint="Write 127.0.0.1:8080 or 8080."
            ) from error
    if not once and is_free(8080):
        return "127.0.0.1", 8080
    return "127.0.0.1", free_port()
