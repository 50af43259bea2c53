"""The machine's packet filter: its rules as text, and the programs that read and set them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
)
"""Networks that are nobody's on the internet (IANA's special-purpose registry), and multicast."""
ANSWERS = "-m conntrack --ctstate RELATED,ESTABLISHED"
REFUSE = "LAUNCHER-REFUSE"
"""The chain that refuses; TCP by a reset, because kernels send few ICMP messages a second."""
REFUSED = f"-j {REFUSE}"
DEVICES = Path("/proc/thread-self/net/dev")
IPV6 = Path("/proc/thread-self/net/if_inet6")
"""Where the kernel has IPv6; without it, `ip6tables` fails."""
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
PUBLIC_RESOLVERS = ("8.8.8.8/32", "8.8.4.4/32")
"""What the engine itself takes where the host's only resolver is on its loopback."""

Chains = dict[str, list[str]]


class NoFilter(Exception):
    """The packet filter cannot be asked or told; says why."""


def refusal(icmp: str) -> Chains:
    """The chain that all others end in."""
    tcp = "-p tcp -j REJECT --reject-with tcp-reset"
    return {REFUSE: [tcp, f"-j REJECT --reject-with {icmp}"]}


def restore_input(chains: Mapping[str, Sequence[str]]) -> str:
    """What `iptables-restore --noflush` makes of these chains at once, whatever they held."""
    lines = ["*filter", *(f":{name} - [0:0]" for name in chains)]
    lines += [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]
    return "\n".join([*lines, "COMMIT", ""])


def parse_rules(said: str) -> Chains:
    """The rules by chain, of what `iptables -S` prints."""
    found: Chains = {}
    for line in said.splitlines():
        kind, _, rest = line.partition(" ")
        name, _, rule = rest.partition(" ")
        found.setdefault(name, [])
        if kind == "-A":
            found[name].append(rule)
    return found


def resolvers_of(files: Sequence[Path] = RESOLVERS) -> list[str]:
    """The resolvers that the engine gives to containers, as networks."""
    for file in files:
        try:
            words = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
        except OSError:
            continue
        every = [one[1] for one in words if len(one) > 1 and one[0] == "nameserver"]
        found = [f"{one}/32" for one in every if ":" not in one and not one.startswith("127.")]
        if found:
            return found
    return list(PUBLIC_RESOLVERS)


def take_down(program: str, names: Set[str]) -> None:
    """Remove these chains and what leads to them.

    :raises NoFilter: the packet filter cannot be told.
    """
    found = parse_rules(run_filter([program, "-w", "-S"]))
    for parent, rules in found.items():
        for rule in rules:
            if rule.rpartition(" ")[2] in names:
                run_filter([program, "-w", "-D", parent, *rule.split()])
    for name in sorted(names & found.keys()):
        run_filter([program, "-w", "-F", name])
        run_filter([program, "-w", "-X", name])


def devices() -> set[str]:
    """The network devices of this machine, or of the network namespace that the launcher is in.

    Read as a file: `socket.if_nameindex` waits, and all of Python with it, while the engine
    connects a container. `/sys` may show those of another namespace.
    """
    rows = DEVICES.read_text("utf-8").splitlines()[2:]
    return {row.partition(":")[0].strip() for row in rows}


def programs() -> tuple[str, ...]:
    """The packet filter's, one for each protocol that the kernel has."""
    return ("iptables", "ip6tables") if IPV6.exists() else ("iptables",)


def run_filter(command: Sequence[str], given: str = "") -> str:
    """Run a program of the packet filter; what it prints.

    :raises NoFilter: it is not there, or refuses.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFilter(f"{command[0]} does not run ({type(error).__name__})") from error
    if done.returncode:
        said = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        raise NoFilter(f"{command[0]} refuses: {said[:200].rstrip('.')}")
    return done.stdout
