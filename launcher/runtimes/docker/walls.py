"""What the machine's packet filter lets sessions reach: rules of our own chains, and their upkeep.

The engine keeps sessions apart from each other. It lets them reach every port of the host, the
address of a cloud's metadata and all private networks; the rules here end that.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds that a look at the rules is believed, so that a class's starts ask once."""
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


@dataclass(frozen=True)
class Reach:
    """What sessions on one bridge may reach."""

    bridge: str
    egress: str
    """`web`, `open` or `none`."""
    ports: tuple[int, ...] = ()
    """TCP ports that `web` opens."""
    private: tuple[str, ...] = ()
    """Private networks that are open all the same."""


def chains_of(reach: Reach, resolvers: Sequence[str]) -> Chains:
    """The rules by chain, spelled as `iptables -S` prints them. No I/O here.

    The engine forwards names from the container's own side, so the resolvers stay open.
    """
    names = [
        f"-d {one} -p {kind} -m {kind} --dport 53"
        for one in resolvers
        for kind in ("udp", "tcp")
        if reach.egress != "none"
    ]
    public = {
        "none": [REFUSED],
        "web": [*(f"-p tcp -m tcp --dport {port} -j RETURN" for port in reach.ports), REFUSED],
        "open": ["-j RETURN"],
    }
    named = [f"-d {network} -j RETURN" for network in reach.private if reach.egress != "none"]
    return {
        inward(reach.bridge): [
            f"{ANSWERS} -j ACCEPT",
            *(f"{one} -j ACCEPT" for one in names),
            REFUSED,
        ],
        outward(reach.bridge): [
            f"{ANSWERS} -j RETURN",
            *(f"{one} -j RETURN" for one in names),
            f"-m conntrack --ctstate DNAT {REFUSED}",  # a port that another container publishes
            *named,
            *(f"-d {network} {REFUSED}" for network in PRIVATE),
            *public[reach.egress],
        ],
    }


def refusal(icmp: str) -> Chains:
    """The chain that all others end in."""
    tcp = "-p tcp -j REJECT --reject-with tcp-reset"
    return {REFUSE: [tcp, f"-j REJECT --reject-with {icmp}"]}


OURS = re.compile(r"LAUNCHER-(ln-[0-9a-f]{8})-(?:IN|OUT)")
"""The chains of one bridge, see `network.bridge_of`."""


def inward(bridge: str) -> str:
    """The chain for what comes from the bridge to the host itself."""
    return f"LAUNCHER-{bridge}-IN"


def outward(bridge: str) -> str:
    """The chain for what the host passes on from the bridge."""
    return f"LAUNCHER-{bridge}-OUT"


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


class NoFilter(Exception):
    """The packet filter cannot be asked or told; says why."""


@dataclass
class Walls:
    """The rules of all bridges of one launcher; looks, then converges."""

    reaches: tuple[Reach, ...]
    elsewhere: bool = False
    """True where the engine is another machine's."""
    off: bool = False
    """True where the settings leave it to somebody else."""
    _seen: float = float("-inf")
    _seen_on: tuple[Reach, ...] = ()
    """The bridges of that look."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ensure(self, *, fresh: float = 0.0) -> str | None:
        """Put back what is missing; None, or why sessions are not walled, in a sentence.

        A look not older than `fresh` seconds that found all well is believed.
        """
        if self.off:
            return None
        if self.elsewhere:
            return (
                "The engine is another machine's: keep sessions away from its ports and from "
                "private networks there."
            )
        with self._guard:
            here = self.here()
            if time.monotonic() - self._seen < fresh and here == self._seen_on:
                return None
            try:
                for program in programs():
                    self._converge(program)
            except NoFilter as error:
                return (
                    "Sessions can reach this machine's ports and private networks, because "
                    f"{error}. Run the launcher as root, with iptables installed."
                )
            self._seen, self._seen_on = time.monotonic(), here
            return None

    def here(self) -> tuple[Reach, ...]:
        """Those whose bridge there is; a chain without one is a leftover, whoever's it was."""
        known = devices()
        return tuple(one for one in self.reaches if one.bridge in known)

    def missing(self, program: str = "iptables") -> list[str]:
        """The chains and jumps that are not as they should be now; nothing is changed.

        :raises NoFilter: the packet filter cannot be asked.
        """
        found = parse_rules(asked([program, "-w", "-S"]))
        chains = [name for name, rules in self.wanted(program).items() if found.get(name) != rules]
        jumps = self.jumps("DOCKER-USER" in found)
        return chains + [rule for parent, rule in jumps if rule not in found.get(parent, [])]

    def wanted(self, program: str) -> Chains:
        """All chains; of IPv6, which the bridges do not have, nothing may pass."""
        here = self.here()
        if not here:
            return {}
        if program == "ip6tables":
            every = [name(one.bridge) for one in here for name in (inward, outward)]
            return refusal("icmp6-port-unreachable") | {name: [REFUSED] for name in every}
        resolvers, found = resolvers_of(), refusal("icmp-port-unreachable")
        for one in here:
            found |= chains_of(one, resolvers)
        return found

    def jumps(self, engine_s: bool) -> list[tuple[str, str]]:
        """From where our chains are entered: the engine's own chain for users where it is."""
        forward = "DOCKER-USER" if engine_s else "FORWARD"
        return [
            jump
            for one in self.here()
            for jump in (
                ("INPUT", f"-i {one.bridge} -j {inward(one.bridge)}"),
                (forward, f"-i {one.bridge} -j {outward(one.bridge)}"),
            )
        ]

    def _converge(self, program: str) -> None:
        missing = self.missing(program)
        if not missing:
            return
        asked([f"{program}-restore", "--noflush", "-w"], restore_input(self.wanted(program)))
        found = parse_rules(asked([program, "-w", "-S"]))
        for parent, rule in self.jumps("DOCKER-USER" in found):
            if rule not in found.get(parent, []):
                asked([program, "-w", "-I", parent, *rule.split()])
        log.info("walls put up", extra={"program": program, "missing": missing})

    def remove(self) -> None:
        """Take the rules away.

        :raises NoFilter: the packet filter cannot be told.
        """
        ours = {name(one.bridge) for one in self.reaches for name in (inward, outward)}
        for program in programs():
            take_down(program, ours)
        self._seen = float("-inf")

    def sweep(self, *, dry_run: bool) -> list[str]:
        """Remove the chains of bridges that are gone, any launcher's, or only name them."""
        if self.off or self.elsewhere:
            return []
        found = set[str]()
        with self._guard:
            try:
                for program in programs():
                    for name in left_chains(parse_rules(asked([program, "-w", "-S"])), devices()):
                        # A launcher that makes the network now begins with its bridge.
                        if not dry_run and bridge_in(name) not in devices():
                            take_down(program, {name})
                        found.add(name)
            except NoFilter as error:
                log.warning("chains of bridges that are gone stay: %s", error)
        return sorted(found)


def take_down(program: str, names: Set[str]) -> None:
    """Remove these chains and what leads to them.

    :raises NoFilter: the packet filter cannot be told.
    """
    found = parse_rules(asked([program, "-w", "-S"]))
    for parent, rules in found.items():
        for rule in rules:
            if rule.rpartition(" ")[2] in names:
                asked([program, "-w", "-D", parent, *rule.split()])
    for name in sorted(names & found.keys()):
        asked([program, "-w", "-F", name])
        asked([program, "-w", "-X", name])


def left_chains(found: Chains, known: Collection[str]) -> list[str]:
    """Chains of launchers for bridges that are not among the `known` devices. No I/O here."""
    return sorted(one for one in found if (bridge := bridge_in(one)) and bridge not in known)


def bridge_in(chain: str) -> str:
    """The bridge that a chain of a launcher is for; empty for all other chains."""
    ours = OURS.fullmatch(chain)
    return ours[1] if ours else ""


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


def asked(command: Sequence[str], given: str = "") -> str:
    """What a program of the packet filter prints.

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
