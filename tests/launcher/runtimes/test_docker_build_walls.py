"""Builds are strangers' programs: what their steps reach, by each way to build them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import replace
from ipaddress import ip_network

import pytest
from docker.errors import NotFound
from docker.models.networks import NetworkCollection

from envs.errors import BadEnvironment, BuildFailed
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import build_walls, packet_filter
from launcher.runtimes.docker.build_walls import (
    INWARD,
    OUTWARD,
    Opening,
    chains_of,
    containers_on,
    openings_in,
    openings_to,
)
from launcher.runtimes.docker.exec import run_in_container
from launcher.runtimes.docker.limits import BuildLimits
from launcher.runtimes.docker.network import bridge_of
from launcher.runtimes.docker.packet_filter import REFUSED, parse_rules
from tests.e2e.scratch_engine import own_network
from tests.waiting import wait_for

METADATA = "169.254.169.254"
TRY = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    with socket.socket() as one:
        one.settimeout(60)
        try:
            one.connect((host, int(port)))
            said = "connected"
        except OSError as error:
            said = type(error).__name__
    print(f"tried {place} {said}\\n", end="", flush=True)
"""


def test_containers_of_others_come_first_then_openings_then_refusals():
    rules = chains_of(["172.17.0.5"], [Opening("10.1.0.0/16"), Opening("10.2.3.4/32", 3141)], [])
    for chain in (INWARD, OUTWARD):
        assert rules[chain][0] == "-s 172.17.0.5 -j RETURN"
        assert rules[chain][-1].endswith(REFUSED)
        assert "-m conntrack --ctorigdst 10.1.0.0/16 -j RETURN" in rules[chain]
        port = "-p tcp -m conntrack --ctorigdstport 3141 --ctorigdst 10.2.3.4/32 -j RETURN"
        assert port in rules[chain]
    assert not any("ACCEPT" in rule for chain in rules.values() for rule in chain)
    assert f"-d 169.254.0.0/16 {REFUSED}" in rules[OUTWARD]


def test_only_what_the_engine_lists_as_a_container_is_spared():
    network = {
        "Containers": {
            "a" * 64: {"IPv4Address": "172.17.0.2/16", "IPv6Address": ""},
            "vzub7zi3uqs56n4ixkvwdmax5": {"IPv4Address": "172.17.0.3/16"},
        }
    }
    assert containers_on(network, {"a" * 64}, "IPv4Address") == ["172.17.0.2"]
    assert containers_on(network, {"a" * 64}, "IPv6Address") == []
    assert containers_on({"Containers": None}, set(), "IPv4Address") == []


def test_what_the_settings_name_is_open_on_its_port_only():
    assert openings_to(
        ["http://127.0.0.1:3141/simple", "https://127.0.0.2/x", "", "file:///a"]
    ) == [
        Opening("127.0.0.1/32", 3141),
        Opening("127.0.0.2/32", 443),
    ]
    assert openings_to(["https://no-such-host.invalid/simple"]) == []


# On the engine


@pytest.fixture(scope="module")
def images(data_root):
    if os.geteuid() != 0:
        pytest.skip("only root may change the packet filter")
    name = f"launcher-test-{uuid.uuid4().hex[:8]}"
    config = load_config(
        data=str(data_root / "build-walls"), runtime="docker", docker__network=name
    )
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    for network in images.client.networks.list(names=[name]):
        network.remove()
    images.client.close()


@pytest.fixture
def build(images, tmp_path):
    """Build a folder of files; the image is removed afterwards."""
    made = []

    def build(files, **engine):
        source = tmp_path / f"source{len(made)}"
        source.mkdir()
        for path, content in files.items():
            (source / path).write_text(content)
        name = f"env/walls:{uuid.uuid4().hex[:12]}"
        made.append(name)
        said = []
        builder = replace(images, engine=replace(images.engine, **engine))
        labels = {"launcher.env.name": name, "launcher.env.repo": "test-walls"}
        recipe = read_recipe(source)
        try:
            builder.build(
                name, recipe, source=source, labels=labels, say=said.append, cache="tests"
            )
        except BuildFailed as error:
            raise AssertionError("\n".join([*said, str(error)])) from error
        return said

    yield build
    for name in made:
        images.remove_image(name)


@pytest.fixture
def listening():
    """A port of this machine that anybody may connect to."""
    with socket.create_server(("0.0.0.0", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture
def gateway(images):
    """This machine's address on the engine's own bridge."""
    known = images.client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    return known.get("Gateway") or str(next(ip_network(known["Subnet"]).hosts()))


@pytest.fixture
def private():
    """A private address of this machine that no other test uses."""
    name, address = f"lt-{uuid.uuid4().hex[:8]}", f"10.254.{secrets.randbelow(250)}.1"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield address
    finally:
        subprocess.run(["ip", "link", "del", name], check=True)


def own_address():
    """The address by which this machine goes out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
        return one.getsockname()[0]


def outcomes(said):
    tried = (line.split("tried ", 1)[1].split() for line in said if "tried " in line)
    return {words[0]: words[1] for words in tried if len(words) == 2}


WAYS = {
    "buildkit": {},
    "commit": {"commits": True},
    "limited": {"limits": BuildLimits(memory=1 << 30), "commits": True},
}


@pytest.mark.docker
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("kind", ["postBuild", "Dockerfile"])
def test_a_step_reaches_packages_and_neither_this_machine_nor_private_networks(
    build, listening, gateway, way, kind
):
    hosts = (gateway, own_address())
    private = [f"{host}:{listening}" for host in hosts] + [f"{METADATA}:80", "10.255.255.1:80"]
    expected = dict.fromkeys(private, "ConnectionRefusedError") | {"pypi.org:443": "connected"}
    steps = f"python3 try.py {' '.join(expected)} && : {uuid.uuid4().hex}"
    files = {"try.py": TRY, "requirements.txt": "cowsay==6.1\n", "postBuild": f"{steps}\n"}
    if kind == "Dockerfile":
        text = f"FROM launcher/base:3.11\nCOPY try.py .\nRUN {steps}\nRUN pip install cowsay==6.1\n"
        files = {"try.py": TRY, "Dockerfile": text}
    assert outcomes(build(files, **WAYS[way])) == expected
    for host in hosts:
        socket.create_connection((host, listening), 30).close()  # a control: it is there


@pytest.mark.docker
def test_the_engine_fetches_nothing_for_a_dockerfile(build, listening, gateway):
    address = f"http://{gateway}:{listening}/secret"
    with pytest.raises(BadEnvironment, match="ADD fetch"):
        build({"Dockerfile": f"FROM launcher/base:3.11\nADD {address} /x\n"})


@pytest.mark.docker
def test_what_the_settings_open_is_reached_by_steps(images, build, listening, gateway, private):
    # What is open for a build is open for all that run meanwhile: nothing that others try.
    index = f"{gateway}:{listening}"
    for place, more in (
        (f"{private}:{listening}", {"private": (f"{private}/32",)}),
        (index, {"urls": (f"http://{index}/simple",)}),
    ):
        steps = f"python3 try.py {place} && : {uuid.uuid4().hex}\n"
        walls = replace(images.engine.walls, **more)
        assert outcomes(build({"try.py": TRY, "postBuild": steps}, walls=walls)) == {
            place: "connected"
        }


def inside(container, place):
    done = run_in_container(
        container.client, container.id, ["python3", "-c", TRY, place],
        user="1000:1000", workdir="/", environment={}, stdin=None, timeout=120,
    )  # fmt: skip
    return outcomes(done.out.decode().splitlines())[place]


def new_container(client):
    idle = ["sleep", "600"]
    return client.containers.run(
        "launcher/base:3.11", idle[1:], entrypoint=idle[:1], detach=True, network_mode="bridge"
    )


@pytest.mark.docker
def test_an_administrator_s_containers_go_on_before_during_and_after(images, listening, gateway):
    place = f"{gateway}:{listening}"
    with contextlib.ExitStack() as undo:
        first = new_container(images.client)
        undo.callback(first.remove, force=True)
        # Somebody else's build may run, and hear of the container a moment later.
        wait_for(lambda: inside(first, place) == "connected", 60)
        with images.engine.walls.around():
            assert inside(first, place) == "connected"
            # From its first moment on; the engine tells of it at about the same time.
            tries = (
                'until python3 -c "$0" "$1" | tee /dev/stderr | grep connected; do sleep 0.2; done'
            )
            starts = ["sh", "-c", tries, TRY, place]
            second = images.client.containers.run(
                "launcher/base:3.11", starts[1:], entrypoint=starts[:1], detach=True,
                network_mode="bridge",
            )  # fmt: skip
            undo.callback(second.remove, force=True)
            second.wait(timeout=120)
            assert outcomes(second.logs().decode().splitlines()) == {place: "connected"}
        assert inside(first, place) == "connected"


def chains():
    return parse_rules(subprocess.check_output(["iptables", "-w", "-S"], text=True))


@pytest.fixture
def alone(images, tmp_path):
    """Walls in a packet filter of their own, which no other build of this machine touches."""
    with own_network():
        yield replace(images.engine.walls, lock=tmp_path / "lock")


@pytest.mark.docker
def test_the_last_build_takes_the_wall_down(alone):
    with alone.around():
        with replace(alone).around():
            assert chains()["FORWARD"].count(f"-i docker0 -j {OUTWARD}") == 1
            assert f"-i {bridge_of(alone.name)} -j {INWARD}" in chains()["INPUT"]
            alone.sweep()
        assert INWARD in chains(), "one build is left"
    assert not {INWARD, OUTWARD} & chains().keys()
    assert "LAUNCHER-BUILD" not in str(chains())


@pytest.mark.docker
def test_builds_of_launchers_with_other_settings_keep_their_openings(alone):
    proxy = replace(alone, private=("10.9.0.0/16",))
    index = replace(alone, urls=("http://127.0.0.9:3141/simple",))
    with proxy.around(), index.around():
        opened = openings_in(chains())
        assert {Opening("10.9.0.0/16"), Opening("127.0.0.9/32", 3141)} == set(opened)
        assert len(opened) == 2, "none is there twice"
    assert not {INWARD, OUTWARD} & chains().keys()


@pytest.mark.docker
def test_what_two_launchers_open_at_once_is_open_for_both(alone, monkeypatch):
    def slowly(command, given=""):
        said = run_filter(command, given)
        if "-S" in command:
            time.sleep(0.2)  # the other one reads meanwhile, and would write what it knows
        return said

    run_filter = build_walls.run_filter
    monkeypatch.setattr(build_walls, "run_filter", slowly)
    networks = ("10.8.0.0/16", "10.9.0.0/16")
    both = [replace(alone, private=(one,)) for one in networks]
    with contextlib.ExitStack() as undo:
        file = undo.enter_context(alone.lock.open("w"))
        fcntl.flock(file, fcntl.LOCK_SH)
        threads = [
            threading.Thread(target=one._put_up, args=([Opening(one.private[0])],)) for one in both
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert {one.network for one in openings_in(chains())} == set(networks)
    alone.sweep()


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A program of the packet filter that fails, as all of IPv6 does where the kernel has none."""

    def break_(name):
        (tmp_path / name).write_text("#!/bin/sh\necho no >&2\nexit 3\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return break_


@pytest.mark.docker
def test_without_ipv6_in_the_kernel_the_wall_is_that_of_ipv4(alone, broken, monkeypatch, tmp_path):
    broken("ip6tables")
    broken("ip6tables-restore")
    monkeypatch.setattr(packet_filter, "IPV6", tmp_path / "if_inet6")
    with alone.around(), contextlib.ExitStack() as undo:
        assert INWARD in chains()
        later = new_container(alone.client)
        undo.callback(later.remove, force=True)
        later.reload()
        address = later.attrs["NetworkSettings"]["IPAddress"]
        # else it is cut off while the build runs
        wait_for(lambda: f"-s {address}/32 -j RETURN" in chains()[INWARD], 60)
    assert "LAUNCHER-BUILD" not in str(chains())


def is_spared(address):
    return f"-s {address}/32 -j RETURN" in chains()[INWARD]


@pytest.fixture
def neighbour(images):
    """A container of an administrator on the engine's own bridge, and its address."""
    container = new_container(images.client)
    container.reload()
    yield container, container.attrs["NetworkSettings"]["IPAddress"]
    with contextlib.suppress(NotFound):
        container.remove(force=True)


@pytest.mark.docker
def test_who_is_gone_is_spared_no_longer_though_the_packet_filter_fails_for_a_moment(
    alone, broken, neighbour, tmp_path, caplog
):
    container, address = neighbour
    with alone.around():
        assert is_spared(address)
        broken("iptables-restore")
        container.remove(force=True)
        wait_for(lambda: "iptables-restore refuses" in caplog.text, 60)
        (tmp_path / "iptables-restore").unlink()
        wait_for(lambda: not is_spared(address), 60)
    assert "LAUNCHER-BUILD" not in str(chains())


@pytest.mark.docker
def test_nobody_is_spared_when_the_engine_tells_of_containers_no_more(
    alone, neighbour, monkeypatch
):
    """A step of a build that gets the address of one that ended would be outside of the wall."""
    monkeypatch.setattr(alone.client, "events", lambda **_: iter(()), raising=False)
    with alone.around():
        wait_for(lambda: not is_spared(neighbour[1]), 60)
        assert chains()[OUTWARD][-1].endswith(REFUSED)


@pytest.mark.docker
@pytest.mark.parametrize("program", ["ip6tables", "ip6tables-restore", "iptables-restore"])
def test_half_a_wall_does_not_stay(alone, broken, program, caplog):
    with alone.around():
        pass  # as any earlier build: this much works
    broken(program)
    with alone.around():
        assert "builds are not walled" in caplog.text
        rules = subprocess.check_output(["/usr/sbin/iptables", "-w", "-S"], text=True)
        assert INWARD not in rules, "and nobody would spare containers that start"


KILLED = """
import sys, time
from pathlib import Path
import docker
from launcher.runtimes.docker.build_walls import BuildWalls
with BuildWalls(docker.from_env(), "launcher-test", lock=Path(sys.argv[1])).around():
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.docker
def test_what_a_killed_launcher_left_is_taken_down_at_the_next_look(alone):
    command = [sys.executable, "-c", KILLED, str(alone.lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        alone.sweep()
        assert INWARD in chains(), "its build runs"
        process.kill()
        process.wait(60)
    assert INWARD in chains()
    alone.sweep()
    assert "LAUNCHER-BUILD" not in str(chains())


@pytest.mark.docker
def test_an_engine_whose_bridge_is_elsewhere_is_said(images, monkeypatch):
    monkeypatch.setattr(build_walls, "devices", lambda: {"lo", "eth0"})
    assert "is not on this machine" in images.engine.walls.trouble()


@pytest.mark.docker
def test_an_engine_without_a_bridge_of_its_own_is_no_trouble(alone, monkeypatch):
    """As with `"bridge": "none"` in its settings."""
    get = NetworkCollection.get

    def without(networks, name):
        if name == "bridge":
            raise NotFound("network bridge not found")
        return get(networks, name)

    monkeypatch.setattr(NetworkCollection, "get", without)
    assert alone.trouble() is None
    with alone.around():
        assert f"-i {bridge_of(alone.name)} -j {OUTWARD}" in chains()["FORWARD"]
        assert "docker0" not in str(chains())
    assert "LAUNCHER-BUILD" not in str(chains())


@pytest.mark.docker
def test_nothing_is_wrong_here(images):
    assert images.engine.walls.trouble() is None


@pytest.mark.docker
def test_a_firewall_that_is_somebody_else_s_is_left_alone(alone):
    with replace(alone, off=True).around():
        assert "LAUNCHER-BUILD" not in str(chains())
    assert replace(alone, off=True).trouble() is None
