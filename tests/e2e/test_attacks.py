"""What a student could try from inside a session on Docker: each attempt fails, the launcher lives.

`mallory` attacks, `victim` and the launcher are the targets, `exam` is a session without network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
import signal
import socket
import subprocess
import textwrap
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest
import requests
import yaml

from launcher.rehearsal.click import Click, ClickFailed
from launcher.runtimes.docker.network import bridge_of, network_of
from launcher.runtimes.docker.packet_filter import NoFilter
from launcher.runtimes.docker.walls import Reach, Walls
from launcher.session import EGRESS
from tests.e2e.conftest import make_box, remove_network
from tests.waiting import wait_for

pytestmark = pytest.mark.docker
PIECES = """
import socket
from concurrent.futures import ThreadPoolExecutor
def connect(host, port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as one:
        one.settimeout(2)
        try:
            one.connect((host, port))
            return "connected"
        except OSError as error:
            return type(error).__name__
def try_all(places):
    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(lambda place: connect(*place), places))
"""


@dataclasses.dataclass
class Inside:
    """A student's session with what they can run in it."""

    click: Click
    engine: docker.DockerClient

    @property
    def container(self):
        name = urlsplit(self.click.session_url).path.strip("/").removeprefix("s/")
        return self.engine.containers.get(f"launcher-{name}")

    @property
    def address(self):
        return next(
            one["IPAddress"] for one in self.container.attrs["NetworkSettings"]["Networks"].values()
        )

    def sh(self, script, timeout=120):
        """What a terminal in the session would print, and its exit code."""
        command = ["timeout", "-s", "KILL", str(timeout), "bash", "-c", script]
        done = self.container.exec_run(command, user="1000:1000", workdir="/home/jovyan")
        return done.exit_code, done.output.decode("utf-8", "replace")

    def python(self, script, timeout=120):
        command = ["timeout", "-s", "KILL", str(timeout), "python3", "-c"]
        command.append(PIECES + textwrap.dedent(script))
        done = self.container.exec_run(command, user="1000:1000", workdir="/home/jovyan")
        return done.output.decode("utf-8", "replace").strip()

    def tries(self, *places):
        """How each attempt to connect to an address and port ended."""
        return json.loads(self.python(f"import json; print(json.dumps(try_all({places!r})))"))

    def answers(self):
        url = f"{self.click.session_url}api/status"
        return self.click.browser.get(url, timeout=60).status_code == 200


class Watch(threading.Thread):
    """Asks /healthz all the time; what was wrong is kept."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.wrong, self.asked, self.ended = url, [], 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            self.asked += 1
            began = time.monotonic()
            try:
                answer = requests.get(f"{self.url}/healthz", timeout=30)
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
            except requests.RequestException as error:
                self.wrong.append(f"{error!r} after {time.monotonic() - began:.1f} s")


@pytest.fixture(scope="module")
def stack(data_root):
    """A launcher with networks of its own, and somebody who watches its health."""
    root = data_root / "attacks"
    root.mkdir()
    box = make_box(root, "docker")
    network = f"launcher-attacks-{uuid.uuid4().hex[:8]}"
    settings = yaml.safe_load(box.settings.read_text())
    settings["docker"] = {"network": network}
    settings["session"] = {"memory": "512M", "processes": 120, "disk": "200M"}
    entry = {"repo": box.git.url("env"), "tag": "v1"}
    catalogue = {"lab": entry, "exam": entry | {"egress": "none"}}
    settings["environments"] |= {"catalogue": catalogue}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running():
        watch = Watch(box.url)
        watch.start()
        box.watch, box.network, box.engine = watch, network, docker.from_env()
        yield box
        watch.ended.set()
    names = [network_of(network, egress) for egress in EGRESS]
    with contextlib.closing(box.engine) as engine:
        for one in engine.networks.list(names=names):
            remove_network(engine, one)
    with contextlib.suppress(NoFilter):  # a launcher that starts takes them down, too
        Walls(tuple(Reach(bridge_of(name), "web") for name in names)).remove()
    box.clean()


def open_session(stack, env):
    click = Click()
    click.open(stack.link(env=env), lambda line: None, timeout=600)
    return Inside(click, stack.engine)


@pytest.fixture(scope="module")
def mallory(stack):
    return open_session(stack, "lab")


@pytest.fixture(scope="module")
def victim(stack):
    return open_session(stack, "lab")


@pytest.fixture(scope="module")
def exam(stack):
    return open_session(stack, "exam")


def host_addresses(stack, family="inet"):
    """Of the way out and of the bridges that stay: other tests remove theirs meanwhile."""
    routes = json.loads(subprocess.check_output(["ip", "-j", "route", "show", "default"]))
    known = {"docker0", *(route["dev"] for route in routes if "dev" in route)}
    known |= {bridge_of(network_of(stack.network, egress)) for egress in EGRESS}
    said = json.loads(subprocess.check_output(["ip", "-j", "addr"]))
    links = [link for link in said if link["ifname"] in known]
    every = [info for link in links for info in link["addr_info"] if info["family"] == family]
    return [one["local"] for one in every if one["scope"] == "global"]


# Network


def test_another_session_is_not_reached_by_address_or_name(mallory, victim):
    assert requests.get(f"http://{victim.address}:8888/", timeout=30).status_code == 404, "is there"
    names = (victim.address, victim.container.name, victim.container.id[:12])
    assert "connected" not in mallory.tries(*((name, 8888) for name in names))
    assert mallory.tries((mallory.address, 8888)) == ["connected"], "a control: it can connect"


def test_no_port_of_this_machine_is_reached(stack, mallory):
    gateway = urlsplit(stack.url).port
    with socket.create_server(("0.0.0.0", 0)) as server:
        anybody = server.getsockname()[1]
        addresses = host_addresses(stack)
        assert addresses
        for address in addresses:
            socket.create_connection((address, anybody), 30).close()
        ports = (anybody, gateway, 22, 53, 2375)
        places = [(address, port) for address in addresses for port in ports]
        assert set(mallory.tries(*places)) == {"ConnectionRefusedError"}


def test_the_app_s_internal_port_is_not_reached(stack, mallory):
    lines = subprocess.check_output(["ss", "-Hltnp"], text=True).splitlines()
    ours = [line.split()[3] for line in lines if f"pid={stack.process.pid}," in line]
    ports = [int(where.rpartition(":")[2]) for where in ours]
    assert ports, "the app listens"
    addresses = [*host_addresses(stack), "host.docker.internal", "127.0.0.1"]
    places = [(address, port) for address in addresses for port in ports]
    assert "connected" not in mallory.tries(*places)


def test_metadata_and_private_networks_refuse_at_once(mallory):
    addresses = ("169.254.169.254", "10.0.0.1", "172.17.0.1", "192.168.1.1", "100.100.100.200")
    said = mallory.tries(*((address, 80) for address in addresses))
    assert set(said) == {"ConnectionRefusedError"}


def test_ipv6_leads_nowhere(stack, mallory):
    addresses = (*host_addresses(stack, "inet6"), "fe80::1%eth0", "2001:4860:4860::8888")
    assert "connected" not in mallory.tries(*((address, 80) for address in addresses))
    assert mallory.sh("grep -v ' lo$' /proc/net/if_inet6")[1] == ""


def test_web_opens_names_and_the_ports_of_the_web_only(mallory):
    """The internet need not be there: what is refused by us is refused at once."""
    mail, shell, web = mallory.tries(("1.1.1.1", 25), ("1.1.1.1", 22), ("1.1.1.1", 443))
    assert mail == shell == "ConnectionRefusedError"
    assert web != "ConnectionRefusedError"


def test_an_exam_reaches_nothing_and_its_student_works(stack, exam):
    assert exam.answers()
    with socket.create_server(("0.0.0.0", 0)) as server:
        ports = (53, 443, server.getsockname()[1])
        addresses = ("1.1.1.1", "pypi.org", *host_addresses(stack))
        places = [(address, port) for address in addresses for port in ports]
        assert "connected" not in exam.tries(*places)


def test_raw_packets_cannot_be_sent(mallory):
    said = mallory.python(
        """
        for kind in (socket.SOCK_RAW, ):
            try:
                socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
                print("raw")
            except PermissionError:
                print("refused")
        try:
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            print("raw")
        except PermissionError:
            print("refused")
        """
    )
    assert said.split() == ["refused", "refused"]


def test_walls_that_somebody_took_down_are_put_back(stack, mallory):
    rules = subprocess.check_output(["iptables", "-w", "-S", "DOCKER-USER"], text=True)
    network = stack.engine.networks.get(stack.network)
    bridge = network.attrs["Options"]["com.docker.network.bridge.name"]
    jump = next(line for line in rules.splitlines() if f"-i {bridge} " in line)
    stack.process.send_signal(signal.SIGSTOP)  # it would put the rule back every few seconds
    try:
        subprocess.run(["iptables", "-w", *jump.replace("-A", "-D", 1).split()], check=True)
        assert mallory.tries(("10.0.0.1", 80)) != ["ConnectionRefusedError"], "the wall is down"
    finally:
        stack.process.send_signal(signal.SIGCONT)
    checks = {row["name"]: row["ok"] for row in stack.cli("doctor", code=None)}
    assert checks["walls"]
    assert jump in subprocess.check_output(["iptables", "-w", "-S", "DOCKER-USER"], text=True)


# Limits and rights


def test_a_fork_bomb_ends_at_the_limit_and_hurts_nobody(mallory, victim):
    bomb = ":(){ :|:& };:; sleep 2"
    mallory.sh(f"timeout -s KILL 3 bash -c '{bomb}'")
    assert victim.answers()
    mallory.container.kill()  # from inside nothing may begin any more, not even a `kill`


def test_a_memory_bomb_kills_itself_and_not_the_server(victim, exam):
    code = "import time; held = bytearray(2_000_000_000); print(len(held))"
    said, output = victim.sh(f"python3 -c '{code}'")
    assert said == 137, output
    said, _ = exam.sh("head -c 1G /dev/zero > /dev/shm/x")
    assert said != 0
    assert victim.answers()
    assert exam.answers()


def test_nothing_of_the_machine_can_be_mounted_or_changed(victim):
    attempts = [
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /sys",
        "unshare -Ur mount -t tmpfs none /mnt",
        "echo 1 > /proc/sys/kernel/panic",
        "echo c > /proc/sysrq-trigger",
        "echo 0 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
        "mkdir /sys/fs/cgroup/memory/x",
        "echo -1000 > /proc/1/oom_score_adj",
        "mknod disk b 254 0",
        "chroot / true",
        "chown root:root .",
        "head -c 1 /proc/kcore",
        "dmesg",
        "ls /var/run/docker.sock /run/docker.sock",
        "sysctl -w kernel.panic=1",
        "setpriv --reuid=0 true",
        "su -c true",
    ]
    script = "".join(
        f"timeout 5 bash -c {shlex.quote(one)} </dev/null 2>&1; printf '\\n{n}:%s\\n' $?\n"
        for n, one in enumerate(attempts)
    )
    _, said = victim.sh(script)
    codes = dict(re.findall(r"^(\d+):(\d+)$", said, re.MULTILINE))
    worked = [one for n, one in enumerate(attempts) if codes[str(n)] == "0"]
    assert worked == [], said
    status = victim.sh("cat /proc/self/status")[1]
    assert re.search(r"CapEff:\s*0+$", status, re.MULTILINE)
    assert re.search(r"CapBnd:\s*0+$", status, re.MULTILINE)
    assert re.search(r"NoNewPrivs:\s*1$", status, re.MULTILINE)
    assert re.search(r"Seccomp:\s*2$", status, re.MULTILINE)


def test_an_exam_writes_to_its_home_and_tmp_only(exam):
    found = "find / -xdev -writable -not -path '/proc/*' 2>/dev/null | head -20"
    writable = exam.sh(f"for one in $({found}); do test -w $one && echo $one; done")[1].split()
    assert set(writable) <= {"/home/jovyan", "/tmp", "/var/tmp", "/dev/shm"}
    assert exam.sh("touch ~/x /tmp/x && rm ~/x /tmp/x")[0] == 0


def test_tmp_is_small_and_crashes_leave_no_core_files(victim):
    assert victim.sh("head -c 600M /dev/zero > /tmp/fill; rm -f /tmp/fill")[1].count("space") == 1
    victim.sh("sleep 9 & sleep 0.2; kill -SEGV $!")
    assert victim.sh("ulimit -c; ls core* 2>/dev/null")[1].split() == ["0"]


def test_a_flood_of_output_fills_no_log(victim):
    path = victim.container.attrs["LogPath"]
    victim.sh("timeout 4 cat /dev/zero | tr '\\0' 'x' | head -c 200M > /proc/1/fd/1")
    size = 0
    for one in Path(path).parent.glob("*-json.log*"):
        with contextlib.suppress(FileNotFoundError):  # the engine begins the next one
            size += one.stat().st_size
    assert 0 < size < 30_000_000
    assert victim.answers()


# Files


@pytest.fixture
def canary(data_root):
    """A folder of the host that anybody could write to, if only they reached it."""
    folder = data_root / f"canary-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "kept.txt").write_text("as it was")
    yield folder
    assert [one.name for one in folder.iterdir()] == ["kept.txt"]
    assert (folder / "kept.txt").read_text() == "as it was"


def again(stack, student):
    """The student clicks once more; how it ends does not matter here, only what it touches."""
    with contextlib.suppress(ClickFailed):
        student.click.open(stack.link(env="lab"), lambda line: None, timeout=180)


def back(stack, student):
    """The student's session runs, whatever an attack before did to it."""
    student.click.open(stack.link(env="lab"), lambda line: None, timeout=180)
    wait_for(student.answers, 120)


def test_links_in_a_home_lead_to_nothing_of_the_host(stack, victim, canary):
    stack.content.commit({"new.txt": "one"})
    victim.sh(f"mv course mine && ln -s {canary} course && ln -s /etc/shadow shadow")
    victim.sh(f"ln -s {canary} .jupyter; ln -s {canary}/kept.txt notes.txt")
    again(stack, victim)
    base, session = victim.click.session_url.split("/s/")
    largest = victim.click.browser.get(f"{base}/api/sessions/{session.strip('/')}/disk", timeout=60)
    assert "kept.txt" not in largest.text
    shown = victim.click.browser.get(f"{victim.click.session_url}files/notes.txt", timeout=60)
    assert "as it was" not in shown.text
    victim.sh("rm course .jupyter notes.txt shadow; mv mine course")
    assert victim.sh("ln /etc/passwd hard")[0] != 0


def test_a_swapped_folder_of_the_pull_s_own_leads_to_nothing_either(stack, victim, canary):
    """Whatever the pull keeps in the home belongs to the student, who may bend all of it."""
    kept = victim.sh("ls -A ~ course/.git")[1]
    for name in [one for one in kept.split() if one.startswith(".") and len(one) > 2]:
        victim.sh(f"[ -d ~/{name} ] && mv ~/{name} ~/was{name} && ln -s {canary} ~/{name}")
    victim.sh(f"rm -rf course/.git/objects && ln -s {canary} course/.git/objects")
    stack.content.commit({"new.txt": "two"})
    again(stack, victim)


def test_programs_named_in_a_poisoned_clone_never_run_on_the_host(stack, mallory):
    mark = f"/tmp/launcher-attack-{uuid.uuid4().hex}"
    back(stack, mallory)
    poison = textwrap.dedent(
        f"""
        cd ~/course || exit 1
        printf '#!/bin/sh\\ntouch {mark}\\n' > ~/evil && chmod +x ~/evil
        for hook in post-checkout post-merge pre-commit reference-transaction post-index-change; do
          mkdir -p .git/hooks && cp ~/evil .git/hooks/$hook
        done
        git config core.fsmonitor ~/evil
        git config core.hooksPath .git/hooks
        git config core.sshCommand ~/evil
        git config core.pager ~/evil
        git config filter.x.smudge ~/evil
        git config filter.x.clean ~/evil
        git config uploadpack.packObjectsHook ~/evil
        git config include.path {mark}
        echo '* filter=x' > .git/info/attributes
        echo mine > README.md
        git status; true
        """
    )

    assert mallory.sh(poison)[0] == 0
    ran = mallory.sh(f"ls {mark}; rm -f {mark}")[0]
    assert ran == 0, "a control: inside, the poison works"
    stack.content.commit({"new.txt": "three", "README.md": "# Newer\n"})
    again(stack, mallory)
    assert not Path(mark).exists()


def test_another_s_home_is_not_there_and_not_served(stack, mallory, victim):
    victim.sh("echo secret > secret-of-victim.txt")
    again(stack, mallory)
    assert mallory.sh("find / -name secret-of-victim.txt 2>/dev/null")[1] == ""
    assert mallory.sh(f"ls {stack.data}")[0] != 0
    base, session = victim.click.session_url.split("/s/")
    session = session.strip("/")
    for path in (
        f"/s/{session}/files/secret-of-victim.txt",
        f"/s/{session}/api/contents",
        f"/sessions/{session}/disk",
        f"/api/sessions/{session}/notices",
    ):
        answer = mallory.click.browser.get(f"{base}{path}", timeout=60)
        assert answer.status_code in (403, 404), path
        assert "secret-of" not in answer.text


def test_a_session_that_fills_the_disk_outside_of_its_home_is_stopped(stack, mallory):
    back(stack, mallory)
    with contextlib.suppress(docker.errors.APIError):  # it is stopped while that runs
        mallory.sh("head -c 700M /dev/zero > /srv/repo/fill; sleep 1", timeout=90)
    url = f"{mallory.click.session_url}lab"

    def told():
        try:
            page = mallory.click.browser.get(url, headers={"Accept": "text/html"}, timeout=60)
        except requests.RequestException:
            return False
        return "outside of its home folder" in page.text

    wait_for(told, 180, every=1)


def test_an_exam_is_not_opened_up_by_naming_its_repository(stack, exam):
    """The strictest entry of a repository holds, and the open session of before is replaced."""
    student = exam.click
    before = student.session_url
    student.open(stack.link(), lambda line: None, timeout=180)
    assert student.session_url == before
    student.open(stack.link(env="lab"), lambda line: None, timeout=180)
    assert student.session_url != before


def test_the_launcher_was_healthy_all_the_time(stack):
    assert stack.watch.asked > 10
    assert stack.watch.wrong == []
