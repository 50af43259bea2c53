"""A rehearsal of a link: a throw-away student clicks it and runs the notebook top to bottom."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests

from envs.atomic import write_text
from launcher.config import Config
from launcher.homes.home import Homes
from launcher.homes.removal import remove_tree
from launcher.people.identity import SECURE_COOKIE, new_guest, sign_student
from launcher.rehearsal.click import Click, ClickFailed
from launcher.runtimes.base import Runtime
from link_generator.content import content_folders
from link_generator.link import Link, compose_link

MAY_RAISE = "raises-exception"
"""The tag of a cell whose error is meant: https://nbclient.readthedocs.io"""

LONGEST = 3600.0
"""Seconds of a rehearsal in all: two run at a time, and other teachers wait for theirs."""
LONGEST_LAUNCH = 900.0
"""Seconds until the notebook opens."""


@dataclass(frozen=True)
class Rehearsal:
    """How it went."""

    at: float
    """Unix seconds."""
    seconds: float
    ok: bool
    cells: int = 0
    """Code cells that ran to their end."""
    error: str = ""
    """What went wrong first, with the number of the cell."""


@dataclass(frozen=True)
class Cell:
    """One cell of code."""

    number: int
    """Among all cells."""
    code: str
    may_raise: bool


@dataclass(frozen=True)
class Limit:
    """Of a rehearsal that begins now."""

    seconds: float
    _began: float = field(default_factory=lambda: time.monotonic())

    @property
    def left(self) -> float:
        """Seconds; 0 once it is met."""
        return max(0.0, self._began + self.seconds - time.monotonic())

    @property
    def met(self) -> str:
        return f"the rehearsal took longer than its {self.seconds / 60:.0f} min and was ended."


@dataclass(frozen=True)
class Rehearsals:
    """The newest rehearsal of each link, a small file each."""

    folder: Path

    def last(self, link: Link) -> Rehearsal | None:
        try:
            return Rehearsal(**json.loads(self._file(link).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, link: Link, found: Rehearsal) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(self._file(link), json.dumps(asdict(found)))

    def _file(self, link: Link) -> Path:
        mark = hashlib.sha256(compose_link(link, "").encode()).hexdigest()[:24]
        return self.folder / f"{mark}.json"


def own_address(config: Config) -> str:
    """Where the launcher of these settings answers on this machine."""
    host, port = config.listen
    if not port:  # one that was free; then links are made for it
        return config.public_url
    scheme = "https" if config.tls.cert_file else "http"
    return f"{scheme}://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104


def rehearse(
    link: Link,
    *,
    server: str,
    sessions_url: str,
    secret: bytes,
    runtime: Runtime,
    homes: Homes,
    say: Callable[[str], None],
    timeout: float = 600.0,
    longest: float = LONGEST,
) -> Rehearsal:
    """Click the link at the running `server` and run its notebook.

    A cell may take `timeout` seconds, and all of it `longest`.

    The session and everything that the throw-away student got are removed in the end.
    """
    at, began, limit = time.time(), time.monotonic(), Limit(longest)
    click, ran, error = Click(reached=server, sessions_url=sessions_url), 0, ""
    student = new_guest()  # whose folder goes in any case, be this process killed
    cookie = sign_student(secret, student)
    click.browser.cookies.set(SECURE_COOKIE, cookie, secure=server.startswith("https:"))
    try:
        click.open(compose_link(link, server), say, timeout=min(LONGEST_LAUNCH, longest))
        if link.path.endswith(".ipynb"):
            path = f"{content_folders(link.contents)[0]}/{link.path}"
            for ran in run_cells(click, path, say, timeout, limit):  # noqa: B007 - counted to the error
                pass
    except ClickFailed as failed:
        error = failed.message
    except requests.RequestException as failed:
        error = f"The server at {server} does not answer ({type(failed).__name__})."
    finally:
        clear(student, runtime, homes)
    return Rehearsal(at, round(time.monotonic() - began, 1), not error, ran, error)


def run_cells(
    click: Click, path: str, say: Callable[[str], None], timeout: float, limit: Limit
) -> Iterator[int]:
    """Run each code cell in one kernel, yielding how many have ended.

    :raises ClickFailed: the first that fails, by its number among all cells; or no notebook, or
        the rehearsal met its limit.
    """
    notebook = click.notebook(path)
    cells = code_cells(notebook)
    kernel = click.kernel(kernel_of(notebook), path)
    for done, cell in enumerate(cells, start=1):
        say(f"  cell {cell.number} of {len(notebook['cells'])}")
        try:
            click.run(cell.code, kernel=kernel, timeout=min(timeout, limit.left))
        except ClickFailed as failed:
            if not limit.left:
                raise ClickFailed(f"Cell {cell.number}: {limit.met}") from failed
            if not cell.may_raise:
                raise ClickFailed(f"Cell {cell.number}: {failed.message}") from failed
        yield done


def code_cells(notebook: dict[str, Any]) -> list[Cell]:
    """The cells to run.

    :raises ClickFailed: it is no notebook: a session's server answers as it likes.
    """
    try:
        every = [
            Cell(number, "".join(cell["source"]), MAY_RAISE in cell["metadata"].get("tags", ()))
            for number, cell in enumerate(notebook["cells"], start=1)
            if cell["cell_type"] == "code"
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ClickFailed("What the session's server has is no notebook.") from error
    return [cell for cell in every if cell.code.strip()]


def kernel_of(notebook: dict[str, Any]) -> str:
    try:
        return str(notebook["metadata"]["kernelspec"]["name"])
    except (KeyError, TypeError):
        return "python3"


def clear(student: str, runtime: Runtime, homes: Homes) -> None:
    """Stop the throw-away student's session and remove their files: nobody else has any there."""
    for session in runtime.list():
        if session.owner == student:
            runtime.stop(session.id)
            remove_tree(homes.path(student, session.course).parent)
