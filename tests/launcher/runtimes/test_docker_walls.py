"""What sessions may reach: the rules, and that they come back."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest

from launcher.runtimes.docker import walls as walls_module
from launcher.runtimes.docker.packet_filter import parse_rules
from launcher.runtimes.docker.walls import (
    Reach,
    Walls,
    chains_of,
    inward,
    left_chains,
    outward,
)
from tests.e2e.scratch_engine import own_network

DNS = ["10.9.8.7/32"]


def verdict(rules, *, to="", port=0, new=True, kind="tcp", dnat=False):
    """What the first rule that fits says, for rules as simple as ours."""
    import ipaddress

    for rule in rules:
        words = dict(zip(rule.split()[::2], rule.split()[1::2], strict=True))
        state = next((rule.split("--ctstate ")[1].split()[0] for _ in [0] if "ctstate" in rule), "")
        if state == "RELATED,ESTABLISHED" and new:
            continue
        if state == "DNAT" and not dnat:
            continue
        if "-d" in words and ipaddress.ip_address(to) not in ipaddress.ip_network(words["-d"]):
            continue
        if "-p" in words and words["-p"] != kind:
            continue
        if "--dport" in words and int(words["--dport"]) != port:
            continue
        return words["-j"]
    return "none"


def out(egress="web", private=(), **packet):
    reach = Reach("ln-1", egress, ports=(80, 443, 9418), private=private)
    return verdict(chains_of(reach, DNS)[outward("ln-1")], **packet)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.17.0.2", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.1"],
)
@pytest.mark.parametrize("egress", ["web", "open", "none"])
def test_private_addresses_are_refused_whatever_the_egress(egress, address):
    assert out(egress, to=address, port=443) == "LAUNCHER-REFUSE"


@pytest.mark.parametrize(
    ("egress", "port", "said"),
    [
        ("web", 443, "RETURN"),
        ("web", 80, "RETURN"),
        ("web", 9418, "RETURN"),
        ("web", 22, "LAUNCHER-REFUSE"),
        ("web", 25, "LAUNCHER-REFUSE"),
        ("open", 22, "RETURN"),
        ("none", 443, "LAUNCHER-REFUSE"),
    ],
)
def test_the_public_internet_is_as_open_as_the_egress_says(egress, port, said):
    assert out(egress, to="151.101.1.1", port=port) == said


def test_names_are_resolved_even_where_the_resolver_is_private():
    assert out(to="10.9.8.7", port=53, kind="udp") == "RETURN"
    assert out(to="10.9.8.7", port=443) == "LAUNCHER-REFUSE"
    assert out("none", to="10.9.8.7", port=53, kind="udp") == "LAUNCHER-REFUSE"


def test_a_named_private_network_is_open_and_its_neighbour_is_not():
    assert out(private=("10.1.2.0/24",), to="10.1.2.9", port=8443) == "RETURN"
    assert out(private=("10.1.2.0/24",), to="10.1.3.9", port=8443) == "LAUNCHER-REFUSE"
    assert out("none", private=("10.1.2.0/24",), to="10.1.2.9", port=8443) == "LAUNCHER-REFUSE"


def test_a_port_that_another_container_publishes_is_refused():
    assert out("open", to="151.101.1.1", port=443, dnat=True) == "LAUNCHER-REFUSE"


def test_the_host_answers_sessions_but_takes_no_calls_of_theirs():
    rules = chains_of(Reach("ln-1", "open"), DNS)[inward("ln-1")]
    assert verdict(rules, to="172.18.0.1", port=8888, new=False) == "ACCEPT"
    assert verdict(rules, to="172.18.0.1", port=22) == "LAUNCHER-REFUSE"
    assert verdict(rules, to="10.9.8.7", port=53, kind="udp") == "ACCEPT"


def test_an_engine_elsewhere_is_said():
    assert "another machine" in Walls((), elsewhere=True).ensure()


def test_a_launcher_that_may_not_set_rules_says_so(monkeypatch, tmp_path):
    program = tmp_path / "iptables"
    program.write_text("#!/bin/sh\necho 'Permission denied (you must be root)' >&2\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(walls_module, "devices", lambda: {"ln-1"})
    said = Walls((Reach("ln-1", "web"),)).ensure()
    assert "you must be root" in said
    assert "Run the launcher as root" in said


@pytest.fixture
def alone():
    """A packet filter as an engine leaves it, which no other launcher or build touches."""
    if os.geteuid() != 0:
        pytest.skip("only root makes networks")
    with own_network():
        for program in ("iptables", "ip6tables"):
            for words in ("-N DOCKER-USER", "-A DOCKER-USER -j RETURN"):
                subprocess.run([program, "-w", *words.split()], check=True)
        yield


@pytest.fixture
def bridge():
    """The name of a bridge that there is."""
    if os.geteuid() != 0:
        pytest.skip("only root may change the packet filter")
    name = f"ln-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL)


@pytest.fixture
def walls(bridge):
    made = Walls((Reach(bridge, "web", ports=(80, 443), private=("10.1.2.3/32",)),))
    yield made
    made.remove()


def rules():
    return parse_rules(subprocess.check_output(["iptables", "-w", "-S"], text=True))


@pytest.mark.docker
def test_rules_are_put_up_once_and_found_well_by_another_process(walls):
    bridge = walls.reaches[0].bridge
    assert walls.ensure() is None
    before = rules()
    assert walls.missing() == walls.missing("ip6tables") == []
    assert walls.ensure() is None
    after = rules()
    for name in (inward(bridge), outward(bridge)):
        assert after[name] == before[name] == walls.wanted("iptables")[name]
    assert after["INPUT"].count(f"-i {bridge} -j {inward(bridge)}") == 1
    assert after["DOCKER-USER"].count(f"-i {bridge} -j {outward(bridge)}") == 1


@pytest.mark.docker
@pytest.mark.parametrize("damage", ["flushed", "no jump", "opened"])
def test_what_somebody_removes_comes_back(walls, damage):
    bridge = walls.reaches[0].bridge
    walls.ensure()
    command = {
        "flushed": ["-F", inward(bridge)],
        "no jump": ["-D", "DOCKER-USER", "-i", bridge, "-j", outward(bridge)],
        "opened": ["-I", outward(bridge), "-j", "RETURN"],
    }[damage]
    subprocess.run(["iptables", "-w", *command], check=True)
    assert walls.missing()
    assert walls.ensure(fresh=60.0) is None
    assert walls.missing(), "a fresh look is believed"
    assert walls.ensure() is None
    assert walls.missing() == []


@pytest.mark.docker
def test_rules_that_are_removed_leave_nothing(walls):
    walls.ensure()
    walls.remove()
    assert walls.reaches[0].bridge not in str(rules())


@pytest.mark.docker
def test_a_bridge_that_appears_is_walled_however_fresh_the_last_look_is(walls, bridge):
    late = f"ln-{uuid.uuid4().hex[:8]}"
    both = Walls((*walls.reaches, Reach(late, "none")))
    try:
        assert both.ensure() is None
        assert late not in str(rules()), "nothing can be sent from a bridge that is not there"
        subprocess.run(["ip", "link", "add", late, "type", "bridge"], check=True)
        assert both.ensure(fresh=60.0) is None
        assert both.missing() == []
        assert f"-i {late} -j {outward(late)}" in rules()["DOCKER-USER"]
    finally:
        both.remove()
        subprocess.run(["ip", "link", "del", late])


@pytest.mark.docker
def test_chains_of_bridges_that_are_gone_are_told_and_then_removed_and_no_others(
    alone, walls, bridge
):
    gone = f"ln-{uuid.uuid4().hex[:8]}"
    other = Walls((Reach(gone, "open"),))
    try:
        subprocess.run(["ip", "link", "add", gone, "type", "bridge"], check=True)
        for one in (walls, other):
            one.ensure()
        assert set(walls.sweep(dry_run=True)).isdisjoint({inward(gone), outward(gone)})
        subprocess.run(["ip", "link", "del", gone], check=True)
        assert {inward(gone), outward(gone)} <= set(walls.sweep(dry_run=True))
        assert gone in str(rules()), "asking changes nothing"
        assert {inward(gone), outward(gone)} <= set(walls.sweep(dry_run=False))
        for program in ("iptables", "ip6tables"):
            said = subprocess.check_output([program, "-w", "-S"], text=True)
            assert gone not in said
            assert f"-i {bridge} -j {outward(bridge)}" in said
        assert walls.missing() == walls.missing("ip6tables") == []
        assert rules()["DOCKER-USER"] == [f"-i {bridge} -j {outward(bridge)}", "-j RETURN"]
    finally:
        other.remove()


def test_only_names_of_our_own_chains_count():
    names = "ln-0123abcd-IN", "ln-0123abcd-OUT", "ln-ffffffff-IN", "REFUSE", "docker0-OUT"
    found = {f"LAUNCHER-{name}": [] for name in (*names, "ln-0123abcd-OUT2")}
    found["DOCKER-USER"] = []
    assert left_chains(found, {"ln-ffffffff", "eth0"}) == [
        "LAUNCHER-ln-0123abcd-IN",
        "LAUNCHER-ln-0123abcd-OUT",
    ]


def test_a_launcher_that_leaves_the_firewall_to_others_sweeps_nothing(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert Walls((), off=True).sweep(dry_run=False) == []
    assert Walls((), elsewhere=True).sweep(dry_run=False) == []
