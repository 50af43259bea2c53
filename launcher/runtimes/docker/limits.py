"""What one build may take of the machine, and how its containers end."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

from docker.errors import DockerException

from envs.errors import OverLimit
from envs.sizes import human

PERIOD = 100_000
"""Microseconds over which the kernel counts CPU time."""
CONTAINER = "launcher-build-"
"""How the names of builds' containers begin."""
KILLED = 137
"""Exit code of what the kernel killed."""


@dataclass(frozen=True)
class BuildLimits:
    """Limits of one build; 0 and an empty network are the engine's own."""

    memory: int = 0
    """Bytes."""
    cpus: float = 0
    processes: int = 0
    network: str = ""

    def __bool__(self) -> bool:
        return self != BuildLimits()

    def of_container(self) -> dict[str, Any]:
        """As docker-py takes them for a container, without the network."""
        options: dict[str, Any] = {}
        if self.memory:
            options |= {"mem_limit": self.memory, "memswap_limit": self.memory}
        if self.cpus:
            options["nano_cpus"] = int(self.cpus * 1e9)
        if self.processes:
            options["pids_limit"] = self.processes
        return options

    def of_build(self) -> dict[str, str]:
        """As the engine's first builder takes them; it has no limit for processes."""
        options: dict[str, str] = {}
        if self.memory:
            options |= {"memory": str(self.memory), "memswap": str(self.memory)}
        if self.cpus:
            options |= {"cpuperiod": str(PERIOD), "cpuquota": str(int(self.cpus * PERIOD))}
        if self.network:
            options["networkmode"] = self.network
        return options

    def too_little_memory(self) -> OverLimit:
        """What to say when the memory was not enough."""
        return OverLimit(
            f"The build needs more than {human(self.memory)} of memory, "
            "which is the limit of this server.",
            hint="Do with less in the environment's files, or raise builds.memory in the settings.",
        )


NO_LIMITS = BuildLimits()


def container_name() -> str:
    """A name by which what a killed build leaves is found."""
    return f"{CONTAINER}{uuid.uuid4().hex[:12]}"


def kill(container: Any) -> None:
    """End a container that may have ended, or may not run yet."""
    with contextlib.suppress(DockerException):
        container.kill()
