"""Which limits of sessions this machine lets us keep, in sentences. No I/O here."""

from __future__ import annotations

from launcher.runtimes.local.cgroups import CONTROLLERS, Cgroups
from launcher.runtimes.local.sandbox import Sandbox

NETWORK = (
    "Not walled: sessions share this machine's network, with its ports, each other's and private "
    "networks (session.egress, except that `none` is refused)."
)


def describe(sandbox: Sandbox, cgroups: Cgroups) -> str:
    """What is isolated and what is limited, and all that is not."""
    if sandbox.bwrap:
        first = "Each session sees only its own folder and the system's programs."
        whom = "For a demo or a trusted class."
    else:
        first = f"No isolation: {sandbox.why}. Sessions can read what this user can."
        whom = "For one trusted person only."
    return " ".join([first, *limits(sandbox, cgroups), NETWORK, whom])


def limits(sandbox: Sandbox, cgroups: Cgroups) -> list[str]:
    """What is kept of `session`, then what is not."""
    kept = [what for one, what in CONTROLLERS.items() if one in cgroups.kept]
    lost = [what for one, what in CONTROLLERS.items() if one not in cgroups.kept]
    if counts_processes(sandbox) and "pids" not in cgroups.kept:
        lost.remove(CONTROLLERS["pids"])
        whose = "student" if sandbox.own_uids else "session"
        kept.append(f"processes (counted for each {whose})")
    (kept if sandbox.bwrap else lost).append("the size of /tmp")
    kept += ["the size of home folders by looking", "no core files"]
    said = [f"Kept: {', '.join(kept)}."]
    if lost:
        told = "" if "memory" in cgroups.kept else "; a death for want of memory is not told"
        why = f" (control groups: {cgroups.why})" if cgroups.why else ""
        said.append(f"Not limited: {', '.join(lost)}{why}{told}.")
    return said


def counts_processes(sandbox: Sandbox) -> bool:
    """True where `RLIMIT_NPROC` counts a student's or a session's processes, and those alone.

    The kernel counts by user, in each user namespace anew, and never counts root's. A user without
    bubblewrap has one count for everything, in which a browser alone can be more than a session.
    """
    return sandbox.own_uids or bool(sandbox.bwrap)
