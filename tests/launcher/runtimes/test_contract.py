"""One contract for every runtime: what a session promises, wherever it runs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import requests

from envs.git import Git
from envs.store import Store
from envs.version import resolve_version
from launcher.config import load_config
from launcher.errors import SessionFailed, SessionGone
from launcher.runtimes import RUNTIMES
from launcher.runtimes.local.processes import tree
from launcher.session import Limits, SessionSpec, new_session_id
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

STUDENT = "5d0c1b2a3f4e5d6c7b8a"
START = '#!/bin/bash\nexport FROM_START=yes\nexec "$@"\n'
ENV = {"requirements.txt": "cowsay==6.1\n", "postBuild": "touch /srv/x || true\n", "start": START}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("local", marks=pytest.mark.slow),
    ],
)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def root(data_root, local_root, kind):
    return data_root if kind == "docker" else local_root


@pytest.fixture(scope="module")
def config(root, kind):
    return load_config(
        data=str(root / f"contract-{kind}"), runtime=kind, session__proxy="http://proxy.invalid:1"
    )


@pytest.fixture(scope="module")
def runtime(config, kind):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")  # no summer time there
        patch.setenv("no_proxy", "the-launcher-s.invalid")
        runtime = RUNTIMES[kind](config, uuid.uuid4().hex[:12])
        yield runtime
        for session in runtime.list():
            runtime.stop(session.id)


@pytest.fixture(scope="module")
def image(data_root, kind, config, runtime):
    root = data_root / f"contract-git-{kind}"
    Repo.create(root / "env", ENV, tag="v1")
    with GitServer(root) as host:
        git = Git((host.host,))
        version = resolve_version(host.url("env"), "v1", git=git)
        made = Store(config.data / "builds", runtime.images, git).ensure_image(version, say=print)
    yield made.name
    for session in runtime.list():
        runtime.stop(session.id)
    runtime.images.remove_image(made.name)


@pytest.fixture(scope="module")
def spec_of(config, image):
    def make(owner=STUDENT, course="course-1"):
        session_id = new_session_id()
        return SessionSpec(
            id=session_id,
            owner=owner,
            course=course,
            image=image,
            link="/launch?env=gh/o/r@v1&path=a%20b",
            token=f"token-{session_id}",
            home=config.data / "homes" / owner / course,
            limits=Limits(memory=512 * 1024**2, cpus=1.0, processes=100),
        )

    return make


def start(runtime, spec):
    """Start a session and wait until its server answers."""
    runtime.prepare_home(spec)
    session = runtime.start(spec)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if answers(session, spec):
            return session
        found = runtime.find(spec.id)
        assert found, "the session vanished"
        assert found.running, f"{found.ended}: {runtime.logs(spec.id)}"
        time.sleep(0.1)
    raise AssertionError(runtime.logs(spec.id))


def get(session, spec, path, token=None):
    headers = {"Authorization": f"token {token or spec.token}"}
    return requests.get(f"{session.address}{spec.base_url}{path}", headers=headers, timeout=30)


def answers(session, spec):
    with contextlib.suppress(requests.RequestException):
        return get(session, spec, "api/status").status_code == 200
    return False


@pytest.fixture(scope="module")
def running(runtime, spec_of):
    spec = spec_of()
    session = start(runtime, spec)
    return spec, session


def sh(runtime, spec, script, **options):
    return runtime.run(spec.id, ["bash", "-c", script], **options)


def test_the_server_answers_its_token_only(running):
    spec, session = running
    assert get(session, spec, "api/contents").status_code == 200
    assert get(session, spec, "api/contents", token="wrong").status_code == 403


def test_everything_about_it_is_known_again_after_a_restart(running, runtime, config, kind):
    spec, session = running
    other = RUNTIMES[kind](config, getattr(runtime, "instance", "x"))
    found = other.find(spec.id)
    assert (found.owner, found.course, found.image, found.link) == (
        spec.owner,
        spec.course,
        spec.image,
        spec.link,
    )
    assert found.address == session.address
    assert abs(found.started - time.time()) < 300
    assert [one.id for one in other.list()] == [spec.id]


def test_what_it_uses_of_memory_is_known(runtime, running):
    spec, _ = running
    used = runtime.memory()[spec.id]
    assert 30 * 1024**2 < used < 512 * 1024**2


def test_its_processes_are_known_to_this_machine(runtime, running):
    """What they have open counts, when no folder shows it any more."""
    spec, _ = running
    said = list(map(words_of, runtime.processes()[spec.id]))
    said = [b" ".join(words) for words in said]
    assert any(spec.id.encode() in one and b"jupyter-server" in one for one in said), said


def words_of(pid):
    """The command of a process, nothing where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def test_another_launcher_s_sessions_are_not_ours(running, config, kind, data_root):
    spec, _ = running
    elsewhere = replace(config, data=data_root / "elsewhere")
    stranger = RUNTIMES[kind](elsewhere, "another-one")
    assert stranger.list() == []
    assert stranger.find(spec.id) is None
    stranger.stop(spec.id)


def test_a_kernel_runs_a_cell_in_the_environment(running):
    spec, session = running
    headers = {"Authorization": f"token {spec.token}"}

    async def scene():
        url = f"{session.address}{spec.base_url}api/kernels"
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.post(url, json={"name": "python3"}) as answer:
                kernel = (await answer.json())["id"]
            async with client.ws_connect(f"{url}/{kernel}/channels") as socket:
                code = "import cowsay, os; print(cowsay.__version__, os.environ['FROM_START'])"
                header = {"msg_id": "m1", "msg_type": "execute_request", "session": "s"}
                header |= {"username": "", "version": "5.3", "date": ""}
                await socket.send_json(
                    {
                        "header": header,
                        "parent_header": {},
                        "metadata": {},
                        "content": {"code": code, "silent": False},
                        "channel": "shell",
                    }
                )
                async for frame in socket:
                    message = json.loads(frame.data)
                    if message["msg_type"] in ("stream", "error"):
                        return message["content"]

        return {}

    content = asyncio.run(asyncio.wait_for(scene(), 180))
    assert content.get("text") == "6.1 yes\n", content


def test_the_home_is_the_student_s_and_the_host_s_folder(running, runtime):
    spec, _ = running
    done = sh(runtime, spec, "pwd; echo mine > work.txt; stat -c %U .")
    assert done.code == 0, done.err
    assert (spec.home / "work.txt").read_text() == "mine\n"
    assert spec.home.stat().st_mode & 0o077 == 0


def test_files_of_the_host_appear_in_the_running_session(running, runtime):
    spec, _ = running
    (spec.home / "from-host").mkdir()
    assert sh(runtime, spec, "test -d from-host").code == 0


def test_commands_keep_odd_arguments_and_codes_and_outputs_apart(running, runtime):
    spec, _ = running
    odd = "a b'\"$(id);\n*ünï"
    done = runtime.run(spec.id, ["python3", "-c", "import sys; print(sys.argv[1])", odd])
    assert done.out.decode() == odd + "\n"
    done = sh(runtime, spec, "echo out; echo err >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, b"out\n", b"err\n")


def test_its_clock_shows_the_launcher_s_time_zone(running, runtime):
    done = runtime.run(running[0].id, ["date", "+%z"])
    assert done.out == b"+0900\n"


def test_it_is_told_the_proxy_of_the_settings_and_not_the_launcher_s(running, runtime):
    names = ("http_proxy", "HTTPS_PROXY", "no_proxy")
    done = runtime.run(running[0].id, ["printenv", *names])
    proxy = "http://proxy.invalid:1"
    assert done.out.decode().split() == [proxy, proxy, "localhost,127.0.0.1,::1"]


def test_5_mb_of_input_arrive_whole(running, runtime):
    spec, _ = running
    sent = bytes(range(256)) * 20_000
    done = runtime.run(spec.id, ["cat"], stdin=io.BytesIO(sent))
    assert done.out == sent


def test_a_command_that_prints_without_end_is_refused(running, runtime):
    spec, _ = running
    with pytest.raises(SessionFailed, match="without end"):
        sh(runtime, spec, "head -c 100M /dev/zero")
    assert sh(runtime, spec, "echo still").out == b"still\n"


def test_what_a_command_leaves_running_does_not_hold_it_up(running, runtime):
    spec, _ = running
    done = sh(runtime, spec, "setsid sleep 62.5 & echo done", timeout=50)
    assert done.out == b"done\n"


def test_a_command_that_takes_too_long_is_ended(running, runtime):
    spec, _ = running
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        sh(runtime, spec, "sleep 61.5", timeout=1)
    wait_for(lambda: sh(runtime, spec, "pgrep -f 'sleep 61.[5]'").out == b"", 30)
    assert time.monotonic() - started < 60, "it did not end by itself"


def test_the_student_is_not_root_and_has_no_privileges(running, runtime):
    spec, _ = running
    done = sh(runtime, spec, "id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status")
    uid, cap, no_new = done.out.decode().splitlines()
    assert uid != "0"
    assert cap.split()[1] == "0" * 16
    assert no_new.split()[1] == "1"


def test_no_secret_of_the_launcher_is_inside(running, runtime, config):
    spec, _ = running
    said = sh(runtime, spec, f"env; ls -a {config.data} /var/run/docker.sock 2>&1; true")
    text = (said.out + said.err).decode()
    assert "secret.key" not in text
    assert text.count("No such file") + text.count("denied") >= 1


def test_processes_are_limited(running, runtime):
    spec, _ = running
    script = (
        "import subprocess\n"
        "started = []\n"
        "try:\n"
        "    for _ in range(300): started.append(subprocess.Popen(['sleep', '60']))\n"
        "except OSError as error: print(type(error).__name__)\n"
        "for one in started: one.kill()\n"
        "print(len(started))"
    )
    error, count = runtime.run(spec.id, ["python3", "-c", script]).out.split()
    assert error == b"BlockingIOError"
    assert 50 < int(count) < spec.limits.processes


@pytest.fixture
def limits(runtime):
    """Skips where this machine has no limits to keep."""
    if runtime.name == "local" and len(runtime.cgroups.kept) < 3:
        pytest.skip(f"control groups cannot be used here: {runtime.cgroups.why}")


def test_who_needs_too_much_memory_is_killed_alone_and_that_is_known(limits, running, runtime):
    spec, session = running
    before = runtime.kills()[spec.id]
    script = "held = bytearray(2_000_000_000)"
    assert runtime.run(spec.id, ["python3", "-c", script]).code in (137, -9)
    assert runtime.kills()[spec.id] > before
    wait_for(lambda: answers(session, spec), 120)


def test_folders_in_memory_are_small(limits, running, runtime):
    spec, _ = running
    done = sh(runtime, spec, "df --output=size -B1M /tmp /dev/shm | tail -n2")
    assert done.out.split() == [b"256", b"128"]
    done = sh(runtime, spec, "python3 -c 'import multiprocessing as m; m.Lock(); print(1)'")
    assert done.out == b"1\n", done.err


def test_four_busy_processes_get_the_cpu_of_one(limits, running, runtime):
    spec, _ = running
    burn = (
        "import os, time\n"
        "end = time.monotonic() + 4\n"
        "for _ in range(2): os.fork()\n"
        "while time.monotonic() < end: pass\n"
        "os.write(1, b'%f\\n' % time.process_time())\n"
        "try:\n"
        "    while True: os.wait()\n"
        "except ChildProcessError: pass"
    )
    used = [float(one) for one in runtime.run(spec.id, ["python3", "-c", burn]).out.split()]
    assert len(used) == 4
    assert sum(used) < 1.3 * 4


def test_a_fork_bomb_ends_at_the_limit_and_the_server_answers(limits, runtime, spec_of):
    spec = spec_of(course="bomb")
    session = start(runtime, spec)
    with contextlib.suppress(TimeoutError):  # where what it left keeps the output open
        sh(runtime, spec, ":(){ :|:& };:; sleep 4", timeout=30)
    other = spec_of(course="beside")
    start(runtime, other)
    wait_for(lambda: answers(session, spec), 120)
    for one in (spec, other):
        runtime.stop(one.id)
        assert runtime.find(one.id) is None


def test_two_students_do_not_see_each_other(runtime, running, spec_of):
    spec, _ = running
    other = spec_of(owner="another0student0")
    session = start(runtime, other)
    try:
        sh(runtime, spec, "echo secret > private.txt")
        listed = sh(runtime, other, f"ls -a; cat {spec.home}/private.txt; ls -a /home")
        assert b"private.txt" not in listed.out
        assert get(session, other, "api/contents", token=spec.token).status_code == 403
    finally:
        runtime.stop(other.id)


def test_work_survives_stop_and_a_new_start(runtime, running, spec_of):
    first = spec_of(course="survives")
    start(runtime, first)
    sh(runtime, first, "echo kept > kept.txt")
    runtime.stop(first.id)
    runtime.stop(first.id)
    assert runtime.find(first.id) is None
    second = spec_of(course="survives")
    start(runtime, second)
    assert sh(runtime, second, "cat kept.txt").out == b"kept\n"
    runtime.stop(second.id)


def test_a_server_that_ended_says_why(runtime, running, spec_of):
    spec = spec_of(course="dies")
    start(runtime, spec)
    with contextlib.suppress(SessionGone):  # the end of the server takes the command along
        sh(runtime, spec, "pkill -KILL -f jupyter-serve[r]")
    if runtime.name == "local":  # commands have a process namespace of their own there
        for pid in tree(runtime._row(spec.id)["pid"]):
            if any(b"jupyter-server" in word for word in words_of(pid)[1:2]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not runtime.find(spec.id).running, 60)
    found = runtime.find(spec.id)
    assert not found.running
    assert found.ended
    with pytest.raises(SessionGone):
        runtime.run(spec.id, ["true"])
    runtime.stop(spec.id)


@pytest.mark.parametrize("name", ["", "zz", "../../x", "ab" * 40])
def test_an_id_from_outside_names_nothing(runtime, name):
    assert runtime.find(name) is None
    assert runtime.logs(name) == ""
    runtime.stop(name)
