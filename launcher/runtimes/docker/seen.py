"""A session's container: what runs in it, and the session that its labels and state show.

No I/O here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from launcher.runtimes.docker.slots import Claim
from launcher.runtimes.usage import WANTED_MEMORY
from launcher.session import HOME_IN_SESSION, Session

PORT = 8888
# Keeps the image's own entrypoint (`start` files); older images have only the `jupyter` command.
SERVER = (
    'if command -v jupyter-server >/dev/null; then exec jupyter-server "$@"; '
    'else exec jupyter server "$@"; fi'
)


def server_command(base_url: str) -> list[str]:
    """The argv of a session's server inside its container."""
    return [
        "/bin/sh",
        "-c",
        SERVER,
        "server",
        "--ServerApp.ip=0.0.0.0",
        f"--ServerApp.port={PORT}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.base_url={base_url}",
        f"--ServerApp.root_dir={HOME_IN_SESSION}",
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.open_browser=False",
        "--ServerApp.quit_button=False",
    ]


def session_of(container: Any) -> Session:
    """What a container's labels and state say."""
    state = container.attrs["State"]
    address = address_in(container.attrs) if container.status == "running" else ""
    return Session(
        **of_labels(container.labels),
        started=timestamp(container.attrs["Created"]),
        address=address,
        running=bool(address),
        ended="" if address else why_ended(state),
    )


def session_of_row(row: Mapping[str, Any]) -> Session:
    """The same of a running container, from its row in the engine's list."""
    address = address_in(row)
    return Session(
        **of_labels(row["Labels"]),
        started=float(row["Created"]),
        address=address,
        running=bool(address),
        ended="" if address else "it has no address",
    )


def of_labels(labels: Mapping[str, str]) -> dict[str, Any]:
    known = ("owner", "course", "image", "link")
    found = {key: labels.get(f"launcher.{key}", "") for key in known}
    egress = labels.get("launcher.egress", "web")
    return {"id": labels["launcher.session"], "egress": egress, **found}


def address_in(attrs: Mapping[str, Any]) -> str:
    """Where the server answers, on whichever network the container is."""
    attached = attrs["NetworkSettings"]["Networks"].values()
    address = next((one["IPAddress"] for one in attached if one.get("IPAddress")), "")
    return f"http://{address}:{PORT}" if address else ""


def given_to(session: Session, claim: Claim | None) -> Session | None:
    """The session as its claim says; one that belongs to nobody is none of anybody's yet."""
    if session.owner or claim is None:
        return session if session.owner else None
    return replace(
        session, owner=claim.owner, course=claim.course, link=claim.link, started=claim.at
    )


def why_ended(state: Mapping[str, Any]) -> str:
    if state.get("OOMKilled"):
        return WANTED_MEMORY
    if state.get("Status") == "created":
        return "it was never started"
    return f"exit code {state.get('ExitCode')}"


def timestamp(text: str) -> float:
    """The engine's time, which has nanoseconds, as unix seconds."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", text)).timestamp()
    except ValueError:
        return time.time()
