"""What the machine's packet filter lets sessions reach: rules of our own chains, and their upkeep.

The engine keeps sessions apart from each other. It lets them reach every port of the host, the
address of a cloud's metadata and all private networks; the rules here end that.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from launcher.runtimes.docker.packet_filter import (
    ANSWERS,
    PRIVATE,
    REFUSED,
    Chains,
    NoFilter,
    devices,
    parse_rules,
    programs,
    refusal,
    resolvers_of,
    restore_input,
    run_filter,
    take_down,
)

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds that a look at the rules is believed, so that a class's starts ask once."""


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


OURS = re.compile(r"LAUNCHER-(ln-[0-9a-f]{8})-(?:IN|OUT)")
"""The chains of one bridge, see `network.bridge_of`."""


def inward(bridge: str) -> str:
    """The chain for what comes from the bridge to the host itself."""
    return f"LAUNCHER-{bridge}-IN"


def outward(bridge: str) -> str:
    """The chain for what the host passes on from the bridge."""
    return f"LAUNCHER-{bridge}-OUT"


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
        found = parse_rules(run_filter([program, "-w", "-S"]))
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
        run_filter([f"{program}-restore", "--noflush", "-w"], restore_input(self.wanted(program)))
        found = parse_rules(run_filter([program, "-w", "-S"]))
        for parent, rule in self.jumps("DOCKER-USER" in found):
            if rule not in found.get(parent, []):
                run_filter([program, "-w", "-I", parent, *rule.split()])
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
                    rules = parse_rules(run_filter([program, "-w", "-S"]))
                    for name in left_chains(rules, devices()):
                        # A launcher that makes the network now begins with its bridge.
                        if not dry_run and bridge_in(name) not in devices():
                            take_down(program, {name})
                        found.add(name)
            except NoFilter as error:
                log.warning("chains of bridges that are gone stay: %s", error)
        return sorted(found)


def left_chains(found: Chains, known: Collection[str]) -> list[str]:
    """Chains of launchers for bridges that are not among the `known` devices. No I/O here."""
    return sorted(one for one in found if (bridge := bridge_in(one)) and bridge not in known)


def bridge_in(chain: str) -> str:
    """The bridge that a chain of a launcher is for; empty for all other chains."""
    ours = OURS.fullmatch(chain)
    return ours[1] if ours else ""
