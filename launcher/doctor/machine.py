"""The machine: git, disks, memory, clock and open files."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from envs.sizes import human
from launcher.config import Config
from launcher.doctor.finding import Finding
from launcher.machine import memory as kernel
from launcher.machine import open_files
from launcher.machine.zone import time_zone
from launcher.room.capacity import plan_memory

GIB = 1024**3
FEW_FILES = 8192
"""Open files; a class of a hundred with their tabs needs some thousands."""
UTC = ("", "UTC", "Etc/UTC", "UTC0")
"""What a machine has where nobody chose a time zone."""
CLOCK = 60.0
"""Seconds that this clock may be off: cookies, tags and certificates go by it."""


def look(config: Config, disks: Mapping[str, Path]) -> Iterator[Finding]:
    """All of it; `disks` names a folder on each disk that must not fill up."""
    git = shutil.which("git")
    version = subprocess.run(["git", "--version"], capture_output=True, text=True) if git else None
    said = version.stdout.strip() if version else "missing"
    yield Finding("git", bool(version), said, "apt-get install git")
    if any(one.is_ssh for one in config.git.credentials):
        ssh = shutil.which("ssh")
        said = ssh or "missing; git needs it for the credentials that have a key_file"
        yield Finding("ssh", bool(ssh), said, "apt-get install openssh-client")
    yield data_folder(config.data)
    for name, folder in disks.items():
        yield disk(name, folder, config.builds.min_free)
    yield memory(config)
    yield zone()
    most = open_files.raise_limit()
    yield Finding(
        "open files",
        most >= FEW_FILES,
        f"{most} files and connections at once",
        "Raise it: LimitNOFILE= in the service, or ulimit -n.",
        serious=False,
    )


def zone() -> Finding:
    """By which clock classes, dates of links and sessions go; UTC by itself is often forgotten."""
    now = time.localtime()
    return Finding(
        "time zone",
        time_zone() not in UTC or "TZ" in os.environ,
        f"{time_zone() or 'none is set'}: it is {time.strftime('%H:%M', now)} {now.tm_zone}",
        "Classes and links go by it: timedatectl set-timezone Europe/Berlin, and restart (in a "
        "container: mount /etc/localtime). Where UTC is right, `TZ=UTC launcher doctor` says so.",
        serious=False,
    )


def data_folder(data: Path) -> Finding:
    """Secrets and students' work are in there."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = data.stat().st_mode & 0o077 == 0
    return Finding(
        "data",
        private and os.access(data, os.W_OK),
        f"{data} is {'private' if private else 'open to other users'}",
        f"chmod 700 {data}",
    )


def disk(name: str, folder: Path, least: int) -> Finding:
    """Room for sessions, and for builds, which leave `least` bytes."""
    usage = shutil.disk_usage(folder)
    part = usage.free / max(usage.total, 1)
    enough = usage.free >= max(least, GIB)
    return Finding(
        f"disk of {name}",
        enough,
        f"{human(usage.free)} free of {human(usage.total)} ({part:.0%}) at {folder}; "
        f"builds begin with {human(least)}",
        "Run `launcher env gc`, make room there, or lower builds.min_free.",
    )


def memory(config: Config) -> Finding:
    """How many sessions fit at their limit, and whether one does at all."""
    total, available = kernel.memory()
    plan = plan_memory(config.capacity.memory, config.capacity.system)
    fit = int(plan // config.session.memory)
    return Finding(
        "memory",
        fit >= 1 and plan <= total,
        f"{human(total)}, {human(available)} available; {human(plan)} for sessions "
        f"hold {fit} that use all of their {human(config.session.memory)}",
        "Lower session.memory or capacity.memory in the settings.",
    )


def clock(urls: Sequence[str]) -> Iterator[Finding]:
    """This clock beside that of the first git host that answers by https or http."""
    for url in urls:
        try:
            began = time.time()
            answer = requests.head(url, timeout=3, allow_redirects=False)
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (requests.RequestException, KeyError, ValueError):
            continue
        off = (began + time.time()) / 2 - theirs
        yield Finding(
            "clock",
            abs(off) <= CLOCK,
            f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} {url}",
            "Let it be set: apt-get install systemd-timesyncd",
        )
        return
