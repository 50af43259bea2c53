"""The compose file and its image say what a launcher in a container needs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from launcher.runtimes.docker.build_walls import LOCK
from launcher.runtimes.usage import CGROUPS

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "deploy" / "compose.yml"


def service():
    return yaml.safe_load(COMPOSE.read_text())["services"]["launcher"]


def test_the_data_folder_has_one_path_and_the_engine_is_reached():
    told = service()
    data = told["command"][-1]
    assert f"{data}:{data}:rshared" in told["volumes"], "the engine sees what is mounted there"
    assert "/var/run/docker.sock:/var/run/docker.sock" in told["volumes"]
    assert told["network_mode"] == "host", "sessions are reached by their bridges' addresses"
    assert {"NET_ADMIN", "SYS_ADMIN"} <= set(told["cap_add"])


def test_what_the_launcher_looks_at_is_this_machine_s():
    told = service()
    assert told["pid"] == "host", "warm sessions are looked into by the engine's process numbers"
    assert "SYS_PTRACE" in told["cap_add"]
    assert f"{CGROUPS}:{CGROUPS}:ro" in told["volumes"]
    assert f"{LOCK.parent}:{LOCK.parent}" in told["volumes"], "one lock for all builds"


def test_every_file_of_the_guide_s_settings_is_seen_inside():
    guide = (ROOT / "docs" / "administration.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    named = {
        str(value)
        for block in blocks
        for section in yaml.safe_load(block).values()
        for value in (section.values() if isinstance(section, dict) else [section])
        if str(value).startswith("/")
    }
    assert "/etc/letsencrypt/live/notebooks.example.org/fullchain.pem" in named
    mounted = [one.split(":")[:2] for one in service()["volumes"]]
    inside = tuple(f"{here}/" for here, there in mounted if here == there)
    # Debian's own store of certificates is in the image, too.
    assert {one for one in named if not one.startswith((*inside, "/etc/ssl/certs/"))} == set()


def test_its_clock_is_this_machine_s_and_its_log_ends_somewhere():
    told = service()
    assert "/etc/localtime:/etc/localtime:ro" in told["volumes"]
    removed = re.search(
        r"rm -rf .* /etc/localtime$", (ROOT / "deploy/Dockerfile").read_text(), re.M
    )
    assert removed, "a mount over a link lands in the file that it leads to"
    assert {"max-size", "max-file"} <= told["logging"]["options"].keys()


def test_the_image_installs_this_project_and_starts_it():
    told = service()
    file = ROOT / "deploy" / told["build"]["context"] / told["build"]["dockerfile"]
    lines = file.read_text()
    assert re.search(r"pip install .*/src", lines)
    assert 'ENTRYPOINT ["/opt/launcher/bin/launcher"]' in lines
    assert "ln -s /opt/launcher/bin/launcher /usr/local/bin/launcher" in lines, "for `exec`"
    assert told["command"][0] == "serve"
    assert "launcher = launcher.__main__:main" in (ROOT / "setup.cfg").read_text()
    # ssh for `git.credentials` with a key_file, debootstrap for bases where no registry is reached
    wanted = ("git", "openssh-client", "debootstrap", "tzdata")
    for package in (*wanted, "iptables", "mount", "openssl", "python3-venv"):
        assert re.search(rf"\b{package}\b", lines), package
    assert {".git", ".venv", "build"} <= set((ROOT / ".dockerignore").read_text().split())
