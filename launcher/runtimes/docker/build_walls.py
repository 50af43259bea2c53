"""What the steps of builds reach: the internet, and not this machine's ports or private networks.

BuildKit runs steps on the engine's own bridge and on no other, where an administrator's containers
are as well. So while a build of ours runs, all that comes from that bridge is walled but for the
addresses of the containers that the engine lists: steps of BuildKit are none of them. The engine
tells of a container that starts meanwhile, which is then taken out within a moment. What runs in
containers of ours (builds with limits) has a network of its own, behind the same wall.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException, NotFound

from launcher.runtimes.docker.network import bridge_of, ensure_network
from launcher.runtimes.docker.packet_filter import (
    ANSWERS,
    PRIVATE,
    REFUSE,
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

INWARD, OUTWARD = "LAUNCHER-BUILD-IN", "LAUNCHER-BUILD-OUT"
"""The chains for what comes from builds to the host itself, and for what the host passes on."""
LOCK = Path("/run/launcher/builds.lock")
"""Shared by all builds of this machine, whichever launcher's: the last one takes the wall down."""
BRIDGE = "com.docker.network.bridge.name"
ICMP = {"iptables": "icmp-port-unreachable", "ip6tables": "icmp6-port-unreachable"}
PORTS = {"http": 80, "https": 443}
PACKAGES = (
    "https://pypi.org",
    "https://files.pythonhosted.org",
    "https://conda.anaconda.org",
    *(f"http://{name}.debian.org" for name in ("deb", "security")),
    *(f"http://{name}.ubuntu.com" for name in ("archive", "security")),
)
"""Where packages come from unless settings say otherwise; some networks have copies of their own
under these names."""


@dataclass(frozen=True)
class Opening:
    """An address that builds may reach though it is private."""

    network: str
    port: int = 0
    """TCP; 0 is every port of every kind."""


def chains_of(
    spared: Sequence[str], openings: Sequence[Opening], resolvers: Sequence[str]
) -> Chains:
    """The rules while a build runs; none opens what somebody else's rules close. No I/O here."""
    before = [
        *(f"-s {one} -j RETURN" for one in spared),
        f"{ANSWERS} -j RETURN",
        *(f"-d {one} -p {kind} --dport 53 -j RETURN"
          for one in resolvers for kind in ("udp", "tcp")),
        # As it was sent: a port that a container publishes has become that container's by now.
        *(f"{tcp_to(one.port)}--ctorigdst {one.network} -j RETURN" for one in openings),
    ]  # fmt: skip
    return {
        INWARD: [*before, REFUSED],
        OUTWARD: [*before, *(f"-d {network} {REFUSED}" for network in PRIVATE)],
    }


def openings_in(found: Chains) -> list[Opening]:
    """What the chains that are there open. No I/O here."""
    rules = [rule.split() for rule in found.get(OUTWARD, []) if "--ctorigdst " in rule]
    words = [dict(itertools.pairwise(rule)) for rule in rules]
    return [
        Opening(str(ip_network(one["--ctorigdst"])), int(one.get("--ctorigdstport", 0)))
        for one in words
    ]


def tcp_to(port: int) -> str:
    return f"-p tcp -m conntrack --ctorigdstport {port} " if port else "-m conntrack "


def chains_of_ipv6(spared: Sequence[str]) -> Chains:
    """The same for IPv6, by which builds reach nothing; neighbours must find each other."""
    rules = ["-p ipv6-icmp -j RETURN", *(f"-s {one} -j RETURN" for one in spared), REFUSED]
    return {INWARD: rules, OUTWARD: rules}


def containers_on(network: Mapping[str, Any], known: set[str], kind: str) -> list[str]:
    """The addresses of containers on the engine's bridge; steps of builds are in no list."""
    found = (network.get("Containers") or {}).items()
    addresses = [one.get(kind, "").partition("/")[0] for name, one in found if name in known]
    return sorted(one for one in addresses if one)


def bridge_in(network: Mapping[str, Any]) -> str:
    """The device of the engine's own bridge."""
    return str((network.get("Options") or {}).get(BRIDGE, "docker0"))


def openings_to(urls: Sequence[str]) -> list[Opening]:
    """Where these addresses lead, as far as that is known now."""
    with ThreadPoolExecutor(8) as threads:  # a name that nobody knows takes its time
        found = set().union(*threads.map(places_of, urls))
    return [Opening(f"{address}/32", port) for address, port in sorted(found)]


def places_of(url: str) -> set[tuple[str, int]]:
    """The addresses and the port that a URL leads to; none where its name is not known."""
    parts = urlsplit(url)
    port = parts.port or PORTS.get(parts.scheme, 0)
    if not parts.hostname or not port:
        return set()
    try:
        every = socket.getaddrinfo(parts.hostname, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {(str(info[4][0]), port) for info in every}


def until_it_works(work: Callable[[], None], ended: threading.Event) -> None:
    """Do it, again and again where the packet filter or the engine fails, until the build ends."""
    told = False
    while not ended.is_set():
        try:
            work()
            return
        except (NoFilter, DockerException, OSError) as error:
            if not told:
                log.warning("builds: the wall is not as it should be, tried again: %s", error)
            told = True
            ended.wait(1)


def opened(lock: Path) -> IO[str]:
    """A file to be locked, which only its owner can open: nobody else keeps builds waiting."""
    lock.parent.mkdir(exist_ok=True)
    return open(lock, "w", opener=lambda path, flags: os.open(path, flags, 0o600))


@dataclass
class BuildWalls:
    """The wall round builds of one engine."""

    client: docker.DockerClient
    name: str
    """Of the network for builds that run in containers of ours."""
    private: tuple[str, ...] = ()
    """Networks that builds may reach all the same."""
    urls: tuple[str, ...] = ()
    """Of what the settings let builds use: package indexes and the like."""
    off: bool = False
    """True where the settings leave it to somebody else, or the engine is another machine's."""
    lock: Path = LOCK

    def network(self) -> str:
        """The network for builds in containers, made if it is not there."""
        ensure_network(self.client, self.name)
        return self.name

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """Wall all builds in for as long as this one runs.

        Where the packet filter cannot be told, the build runs all the same: `trouble` says so.
        Half a wall does not stay: nobody would spare the containers that start meanwhile.
        """
        if self.off or os.geteuid() != 0:
            yield
            return
        with contextlib.ExitStack() as undo:
            try:
                file = undo.enter_context(opened(self.lock))
                fcntl.flock(file, fcntl.LOCK_SH)
                undo.callback(self._end, file.fileno())
                openings = [*map(Opening, self.private), *openings_to(self.urls)]
                self._put_up(openings)
                undo.enter_context(self._following(openings))
            except (NoFilter, DockerException, OSError) as error:
                log.warning("builds are not walled: %s", error)
                undo.close()
            yield

    def trouble(self) -> str | None:
        """Why builds cannot be walled, in a sentence; what a killed launcher left is taken down."""
        if self.off:
            return None
        try:
            run_filter(["iptables", "-w", "-S", "INPUT"])
            self.sweep()
        except (NoFilter, OSError) as error:
            return f"Builds can reach this machine's ports and private networks, because {error}."
        default = self._default()
        bridge = bridge_in(default)
        if default and bridge not in devices():
            return f"Builds are not walled: the engine's bridge {bridge} is not on this machine."
        return None

    def sweep(self) -> None:
        """Take down what the builds of a killed launcher left, at once: it would hold others up.

        :raises NoFilter: the packet filter cannot be asked or told.
        """
        if os.geteuid() != 0:
            return
        with opened(self.lock) as file:
            self._take_down_if_last(file.fileno())

    def _default(self) -> Mapping[str, Any]:
        """The engine's own network; empty where it is told to have none."""
        try:
            attrs: Mapping[str, Any] = self.client.networks.get("bridge").attrs
        except NotFound:
            return {}
        return attrs

    def _put_up(self, openings: Sequence[Opening]) -> None:
        """Write both chains anew, and lead all builds into them.

        What the chains open already is what other builds need that run now.

        :raises NoFilter: the packet filter cannot be told.
        """
        with self._turn():
            default = self._default()
            known = {str(row["Id"]) for row in self.client.api.containers(all=True)}
            spared = {
                "iptables": containers_on(default, known, "IPv4Address"),
                "ip6tables": containers_on(default, known, "IPv6Address"),
            }
            bridges = [*([bridge_in(default)] if default else []), bridge_of(self.name)]
            for program, found in self._write(openings, spared).items():
                forward = "DOCKER-USER" if "DOCKER-USER" in found else "FORWARD"
                for bridge in bridges:
                    for parent, chain in (("INPUT", INWARD), (forward, OUTWARD)):
                        rule = f"-i {bridge} -j {chain}"
                        if rule not in found.get(parent, []):
                            run_filter([program, "-w", "-I", parent, *rule.split()])

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One after another, or what another writes meanwhile would be lost."""
        with opened(self.lock.with_suffix(".turn")) as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _write(
        self, openings: Sequence[Opening], spared: Mapping[str, Sequence[str]]
    ) -> dict[str, Chains]:
        """Write both chains anew, by program; all rules as they were before."""
        there = {one: parse_rules(run_filter([one, "-w", "-S"])) for one in programs()}
        every = list(dict.fromkeys([*openings, *openings_in(there["iptables"])]))
        written = {
            "iptables": chains_of(spared["iptables"], every, resolvers_of()),
            "ip6tables": chains_of_ipv6(spared["ip6tables"]),
        }
        for program, found in there.items():
            chains = written[program]
            if REFUSE not in found:
                chains = refusal(ICMP[program]) | chains
            run_filter([f"{program}-restore", "-w", "--noflush"], restore_input(chains))
        return there

    def _spare_nobody(self, openings: Sequence[Opening]) -> None:
        with self._turn():
            self._write(openings, {"iptables": (), "ip6tables": ()})

    @contextlib.contextmanager
    def _following(self, openings: Sequence[Opening]) -> Iterator[None]:
        """Keep the list of containers as it is; the engine tells of each that comes or goes."""
        wanted = {"type": "network", "event": ["connect", "disconnect"]}
        events = self.client.events(filters=wanted, decode=True)
        ended = threading.Event()
        follower = threading.Thread(
            target=self._follow, args=(events, openings, ended), daemon=True
        )
        try:
            self._put_up(openings)  # for what began between the first list and the first event
            follower.start()
            yield
        finally:
            ended.set()
            with contextlib.suppress(OSError, AttributeError, DockerException):
                events.close()
            if follower.ident:
                follower.join(10)

    def _follow(self, events: Any, openings: Sequence[Opening], ended: threading.Event) -> None:
        try:
            for event in events:
                if event["Actor"]["Attributes"].get("name") == "bridge":
                    until_it_works(lambda: self._put_up(openings), ended)
        except Exception as error:  # the outermost edge of this thread
            log.warning("builds: containers are not followed any more: %s", error)
        if not ended.is_set():
            # A list that stays as it is would spare a step that gets an address of it.
            until_it_works(lambda: self._spare_nobody(openings), ended)

    def _end(self, lock: int) -> None:
        try:
            self._take_down_if_last(lock)
        except NoFilter as error:
            log.warning("the wall round builds stays: %s", error)

    def _take_down_if_last(self, lock: int) -> None:
        """Nobody else holds the lock: no build of this machine needs the wall."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        for program in programs():
            if INWARD in parse_rules(run_filter([program, "-w", "-S"])):
                take_down(program, {INWARD, OUTWARD})
