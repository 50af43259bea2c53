"""A recipe as the text of a Dockerfile. Deterministic, no I/O here."""

from __future__ import annotations

import json
import re
import shlex

from envs.base import CA_IN_IMAGE, CA_NAMES
from envs.recipe import Recipe

REPO = "/srv/repo"
ENV = "/srv/env"
LOCK = ".launcher-lock.txt"
"""The lock of an earlier build, in the build's context."""
LOCK_IN_IMAGE = f"{ENV}/launcher.lock"
APT_CACHE = (
    "--mount=type=cache,target=/var/cache/apt,sharing=locked "
    "--mount=type=cache,target=/var/lib/apt/lists,sharing=locked "
)
UV_CACHE = "--mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 "
# Bytecode is compiled here because every session is a fresh container: measured 1.4 s per launch.
UV_INSTALL = "uv pip install --compile-bytecode --link-mode=copy"


def render_dockerfile(
    recipe: Recipe, *, base: str, needs_repo: bool = True, mounts: bool = True
) -> str:
    """The Dockerfile that makes the recipe's image on top of `base`.

    `needs_repo`: requirements.txt names other files of the repository, so it is installed after
    the copy. `mounts` false leaves the cache mounts out, for the engine's legacy builder.
    """
    apt = f"RUN {APT_CACHE if mounts else ''}"
    install = f"RUN {UV_CACHE}{UV_INSTALL}" if mounts else f"RUN {UV_INSTALL} --no-cache"
    if recipe.lock:
        install += " --constraint /tmp/launcher.lock"
    copy = [f"COPY --chown=1000:1000 . {REPO}/", f"WORKDIR {REPO}"]
    lines = [f"FROM {base}", "USER root"]
    if recipe.apt:
        lines += [
            f"{apt}rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq"
            " && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "
            + " ".join(shlex.quote(name) for name in recipe.apt)
            + ("" if mounts else " && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb")
        ]
    if recipe.lock:
        lines.append(f'COPY --chown=1000:1000 ["{LOCK}", "/tmp/launcher.lock"]')
    if recipe.requirements and needs_repo:
        lines += [*copy, "USER 1000:1000", _install(install, recipe.requirements)]
    elif recipe.requirements:
        early = "/tmp/requirements.txt"
        lines += [
            f"COPY --chown=1000:1000 {json.dumps([recipe.requirements, early])}",
            "USER 1000:1000",
            _install(install, early),
            "USER root",
            *copy,
        ]
    else:
        lines += copy
    lines.append("USER 1000:1000")
    if recipe.package:
        lines.append(f"{install} .")
    lines += [f"ENV {name}={_literal(value)}" for name, value in recipe.variables]
    if recipe.post_build:
        lines.append(f"RUN {_mended(recipe.post_build)}{_run_script(recipe.post_build)}")
    lines.append(f"RUN uv pip freeze --quiet --no-cache > {LOCK_IN_IMAGE}")
    if recipe.start:
        lines.append(f"RUN {_mended(recipe.start)}true")
        lines.append(f"ENTRYPOINT {json.dumps([*_start(recipe.start)])}")
    lines.append("WORKDIR /home/jovyan")
    return "\n".join(lines) + "\n"


def render_layer(image: str, user: str, *, git: bool, ca: bool) -> str:
    """A Dockerfile that adds to an image what sessions need; the context holds `ca.crt`."""
    lines = [f"FROM {image}", "USER root"]
    if ca:
        lines += [f"COPY ca.crt {CA_IN_IMAGE}", f"RUN chmod 644 {CA_IN_IMAGE}"]
        lines += [f"ENV {name}={CA_IN_IMAGE}" for name in CA_NAMES]
    if git:
        lines.append(
            "RUN if command -v apt-get >/dev/null; then apt-get update -qq"
            " && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends git"
            " && rm -rf /var/lib/apt/lists/*;"
            " elif command -v apk >/dev/null; then apk add --no-cache git;"
            " elif command -v microdnf >/dev/null; then microdnf install -y git-core;"
            " elif command -v dnf >/dev/null; then dnf install -y git-core;"
            " else echo 'The image has no git, and no package manager to add it'; exit 1; fi"
        )
    return "\n".join([*lines, f"USER {user}"]) + "\n"


def _install(install: str, path: str) -> str:
    return f"{install} --requirements {shlex.quote(path)}"


def _literal(value: str) -> str:
    """A value that ENV takes as it is: a Dockerfile would put variables in."""
    escaped = re.sub(r'([\\"$])', r"\\\1", value)
    return f'"{escaped}"'


def _mended(path: str) -> str:
    quoted = shlex.quote(path)
    return f"sed -i 's/\\r$//' {quoted} && chmod +x {quoted} && "


def _run_script(path: str) -> str:
    """Run it by its own first line, or by bash where it has none."""
    quoted = shlex.quote(f"./{path}")
    return f'if [ "$(head -c2 {quoted})" = "#!" ]; then {quoted}; else bash {quoted}; fi'


def _start(path: str) -> tuple[str, ...]:
    return ("/bin/bash", "-c", f'exec {shlex.quote(f"{REPO}/{path}")} "$@"', "start")
