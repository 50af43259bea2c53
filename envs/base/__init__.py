"""How a base image is made: Python, git, uv and the server stack, once per Python version."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

VERSION = "3"
"""Counts up when what is written here gives another image."""
CA_IN_IMAGE = "/usr/local/share/launcher-ca.crt"
CA_NAMES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
ROOT_VERSION = "2"
"""Counts up when a Debian root file system of the same release would be another one."""
DEBIAN_PACKAGES = ("ca-certificates", "git", "python3", "procps")

NOT_NEEDED = (
    "var/cache/apt/archives/*.deb",
    "var/cache/apt/*.bin",
    "var/cache/debconf/*-old",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
    "usr/share/doc/*/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*/*",  # the folders stay: some packages put links into them
)
KEPT = ("copyright", "locale.alias")
"""Names of files that stay."""
DPKG = """# What sessions never read is not unpacked either, see dpkg(1).
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/man/*
"""
LEAN = Path(__file__).with_name("lean.py")
"""The program that makes starts fast; a copy is in each environment, beside the server."""
LEAN_IN_IMAGE = "/srv/env/launcher_lean.py"


@dataclass(frozen=True)
class Base:
    """What one base image is made of."""

    python: str
    """`x.y`."""
    release: str
    """The Debian release that has this Python."""
    server: tuple[str, ...]
    """Requirements of the server stack."""
    uv: str
    """Version of uv."""
    ca: bytes = b""
    """A PEM bundle that builds and sessions trust, or empty."""
    index_url: str = ""

    @property
    def key(self) -> str:
        """Changes when anything that shapes the base does."""
        parts = [VERSION, self.python, self.release, *self.server, self.uv, self.index_url]
        parts.append(LEAN.read_text("utf-8"))
        return hashlib.sha256("\n".join(parts).encode() + self.ca).hexdigest()[:8]

    @property
    def name(self) -> str:
        return f"launcher/base:{self.python}-{self.key}"

    @property
    def short_name(self) -> str:
        """What a Dockerfile of an environment repository writes after FROM."""
        return f"launcher/base:{self.python}"


def debootstrap_command(base: Base, folder: str, mirror: str) -> list[str]:
    """The argv that makes a Debian root file system; an empty mirror is debootstrap's own."""
    return [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(DEBIAN_PACKAGES)}",
        base.release,
        folder,
        *([mirror] if mirror else []),
    ]


def clean_root(folder: Path) -> None:
    """Remove what no session reads from a root file system, before it becomes a layer."""
    for path in [path for pattern in NOT_NEEDED for path in folder.glob(pattern)]:
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            continue  # a link to a folder of this machine
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in KEPT:
            path.unlink(missing_ok=True)
    (folder / "etc/dpkg/dpkg.cfg.d/launcher").write_text(DPKG, "utf-8")


def render_base(base: Base, *, root_image: str, mounts: bool = True) -> str:
    """The Dockerfile of the base on top of `root_image`; the context holds `uv`, `lean.py` and
    `ca.crt`."""
    cache = "--mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 " if mounts else ""
    no_cache = "" if mounts else " --no-cache"
    env = {
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NB_USER": "jovyan",
        "NB_UID": "1000",
        "USER": "jovyan",
        "HOME": "/home/jovyan",
        "SHELL": "/bin/bash",
        "REPO_DIR": "/srv/repo",
        "VIRTUAL_ENV": "/srv/env",
        "NB_PYTHON_PREFIX": "/srv/env",
        "KERNEL_PYTHON_PREFIX": "/srv/env",
        "PYTHONUNBUFFERED": "1",
        "UV_CACHE_DIR": "/tmp/uv-cache",
        "PATH": "/home/jovyan/.local/bin:/srv/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:"
        "/usr/bin:/sbin:/bin",
    }
    if base.ca:
        env |= dict.fromkeys(CA_NAMES, CA_IN_IMAGE)
    if base.index_url:
        env |= {"UV_DEFAULT_INDEX": base.index_url, "PIP_INDEX_URL": base.index_url}
    server = " ".join(shlex.quote(one) for one in base.server)
    lines = [
        f"FROM {root_image}",
        "USER root",
        "COPY uv /usr/local/bin/uv",
        f"COPY ca.crt {CA_IN_IMAGE}" if base.ca else "",
        _apt_trust() if base.ca else "",
        # Official images lack git; the Debian root file system has all of these already.
        "RUN command -v git >/dev/null || (apt-get update -qq && "
        "apt-get install -y -qq --no-install-recommends git ca-certificates procps"
        " && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin)",
        "RUN useradd --uid 1000 --user-group --no-create-home --shell /bin/bash jovyan"
        " && install -d -o 1000 -g 1000 -m 755 /home/jovyan /srv/env /srv/repo"
        # The mount below would leave it to root, and every later uv of the user would fail.
        " /tmp/uv-cache"
        # A login shell resets PATH; without this it would find the system's Python first.
        " && echo 'export PATH=\"$HOME/.local/bin:/srv/env/bin:$PATH\"'"
        " > /etc/profile.d/launcher.sh",
        *(f"ENV {name}={value}" for name, value in sorted(env.items())),
        "USER 1000:1000",
        f"RUN {cache}uv venv --python python{base.python} --seed /srv/env"
        f" && uv pip install --compile-bytecode --link-mode=copy{no_cache} {server}",
        f"COPY --chown=1000:1000 lean.py {LEAN_IN_IMAGE}",
        f"RUN /srv/env/bin/python {LEAN_IN_IMAGE} base && python -m compileall -q -j0 /srv/env/lib",
        "WORKDIR /home/jovyan",
        "EXPOSE 8888",
        'CMD ["jupyter-server", "--ServerApp.ip=0.0.0.0", "--ServerApp.port=8888"]',
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _apt_trust() -> str:
    return (
        f"RUN install -d /etc/apt/apt.conf.d && echo 'Acquire::https::CAInfo \"{CA_IN_IMAGE}\";'"
        " > /etc/apt/apt.conf.d/90launcher-ca"
    )
