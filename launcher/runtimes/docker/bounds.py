"""What a session's container may use and may do, as docker-py takes it. No I/O here.

The engine's own defaults go on holding beside it: seccomp, masked /proc, /sys read-only.
"""

from __future__ import annotations

from typing import Any

from docker.types import Ulimit

from launcher.session import Limits

KILLED_FIRST = 500
"""Of 1000: where the machine itself runs out of memory, a session ends before the launcher does."""
SMALL = 64 * 1024**2
"""Bytes of folders that hold little, where the root is read-only."""
TMP = "rw,exec,nosuid,nodev,mode=1777,size="


def bounds_of(limits: Limits, *, read_only: bool) -> dict[str, Any]:
    """Limits and rights of a container; /tmp is in memory, and counts as such.

    Programs that Jupyter needs at start keep their files in /tmp, so a full home still opens.
    """
    folders = {"/tmp": limits.tmp_size}
    if read_only:
        folders |= {"/run": SMALL, "/var/tmp": SMALL}
    return {
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "nano_cpus": int(limits.cpus * 1e9),
        "pids_limit": limits.processes,
        "oom_score_adj": KILLED_FIRST,
        "shm_size": limits.shared_size,
        "tmpfs": {folder: f"{TMP}{size}" for folder, size in folders.items()},
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],  # else crashes fill homes
        "read_only": read_only,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "privileged": False,
        "init": True,
        "restart_policy": {"Name": "no"},
        "log_config": {"type": "json-file", "config": {"max-size": "5m", "max-file": "2"}},
    }
