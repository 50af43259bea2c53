"""A recipe as the text of a Dockerfile. Deterministic, no I/O here."""

from __future__ import annotations

import json
import re
import shlex

from envs import conda, render_r
from envs.base import CA_IN_IMAGE, CA_NAMES, LEAN_IN_IMAGE
from envs.lock import conda_part, pip_part
from envs.recipe import Recipe

REPO = "/srv/repo"
ENV = "/srv/env"
LOCK = ".launcher-lock.txt"
"""The lock of an earlier build, in the build's context."""
LOCK_IN_IMAGE = f"{ENV}/launcher.lock"
CONDA = "/tmp/launcher-conda"
CONDA_PATH = (
    f"/home/jovyan/.local/bin:{conda.IN_IMAGE.programs}:{conda.IN_IMAGE.prefix}/bin:{ENV}/bin:"
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)
APT_CACHE = (
    "--mount=type=cache,target=/var/cache/apt,sharing=locked "
    "--mount=type=cache,target=/var/lib/apt/lists,sharing=locked "
)
CONDA_CACHE = "--mount=type=cache,target=/tmp/conda-cache,uid=1000,gid=1000 "
CONDA_FILES = f"--mount=type=bind,source={conda.FOLDER},target={CONDA} "
UV_CACHE = "--mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 "
# Bytecode is compiled here because every session is a fresh container: measured 1.4 s per launch.
UV_INSTALL = "uv pip install --compile-bytecode --link-mode=copy"


def render_dockerfile(
    recipe: Recipe,
    *,
    base: str,
    needs_repo: bool = True,
    mounts: bool = True,
    cran: str = render_r.CRAN,
) -> str:
    """The Dockerfile that makes the recipe's image on top of `base`.

    `needs_repo`: requirements.txt names other files of the repository, so it is installed after
    the copy. `mounts` false leaves the cache mounts out, for the engine's legacy builder.
    `cran` is where R's packages come from.
    """
    install = f"RUN {UV_CACHE}{UV_INSTALL}" if mounts else f"RUN {UV_INSTALL} --no-cache"
    if recipe.lock:
        install += " --constraint /tmp/launcher.lock"
    lines = [
        f"FROM {base}",
        "USER root",
        *_debian_packages(recipe, cran=cran, mounts=mounts),
        *(_conda_packages(mounts=mounts) if recipe.conda else ()),
        *_python_packages(recipe, install, needs_repo=needs_repo),
        "USER 1000:1000",
        *(_finish_conda(mounts=mounts) if recipe.conda else ()),
        *([f"{install} ."] if recipe.package else ()),
        *render_r.install_lines(recipe),
        *(f"ENV {name}={_literal(value)}" for name, value in recipe.variables),
        *_post_build(recipe),
        f"RUN {_freeze(recipe)}",
        f"RUN {ENV}/bin/python {LEAN_IN_IMAGE} environment {REPO}",
        *_entrypoint(recipe),
        "WORKDIR /home/jovyan",
    ]
    return "\n".join(lines) + "\n"


def made_files(recipe: Recipe, *, channels: tuple[str, ...] = ()) -> dict[str, str]:
    """What a build needs beside the checkout, by its path in the build's context.

    `channels`: the addresses of the recipe's conda channels.
    """
    made = {recipe.requirements: recipe.generated} if recipe.generated else {}
    if recipe.lock:
        made[LOCK] = pip_part(recipe.lock)
    if recipe.conda:
        made[f"{conda.FOLDER}/program.py"] = conda.PROGRAM.read_text("utf-8")
        request = conda.request_of(recipe.conda, channels, conda.IN_IMAGE)
        made[f"{conda.FOLDER}/request.json"] = request
        if conda_part(recipe.lock):
            made[f"{conda.FOLDER}/lock"] = conda_part(recipe.lock)
    return made


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


def _debian_packages(recipe: Recipe, *, cran: str, mounts: bool) -> list[str]:
    """R, which comes from Debian, and apt.txt."""
    apt = (
        f"RUN {APT_CACHE if mounts else ''}rm -f /etc/apt/apt.conf.d/docker-clean"
        " && apt-get update -qq && DEBIAN_FRONTEND=noninteractive"
        " apt-get install -y -qq --no-install-recommends "
    )
    tidy = "" if mounts else " && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb"
    lines = render_r.base_lines(recipe, apt=apt, tidy=tidy, cran=cran) if recipe.r else []
    if recipe.apt:
        lines.append(f"{apt}{' '.join(shlex.quote(name) for name in recipe.apt)}{tidy}")
    return lines


def _python_packages(recipe: Recipe, install: str, *, needs_repo: bool) -> list[str]:
    """requirements.txt, before the repository's other files wherever that can be.

    A change of those then finds the packages in the cache.
    """
    copy = [f"COPY --chown=1000:1000 . {REPO}/", f"WORKDIR {REPO}"]
    lock = [f'COPY --chown=1000:1000 ["{LOCK}", "/tmp/launcher.lock"]'] if recipe.lock else []
    if not recipe.requirements:
        return [*lock, *copy]
    if needs_repo:
        return [*lock, *copy, "USER 1000:1000", _install(install, recipe.requirements)]
    early = "/tmp/requirements.txt"
    return [
        *lock,
        f"COPY --chown=1000:1000 {json.dumps([recipe.requirements, early])}",
        "USER 1000:1000",
        _install(install, early),
        "USER root",
        *copy,
    ]


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


def _conda_packages(*, mounts: bool) -> list[str]:
    """conda's environment, before anything of pip comes into it."""
    mounted = f"{CONDA_FILES}{UV_CACHE}{CONDA_CACHE}" if mounts else ""
    made = {**conda.environment(conda.IN_IMAGE), "PATH": CONDA_PATH}
    return [
        *([] if mounts else [f"COPY {conda.FOLDER} {CONDA}"]),
        "RUN install -d -o 1000 -g 1000 /srv/conda /srv/server"
        f" && echo '. {conda.IN_IMAGE.activate}' > /etc/profile.d/z-conda.sh",
        *(f"ENV {name}={value}" for name, value in made.items()),
        "USER 1000:1000",
        f"RUN {mounted}{conda.install_command(CONDA, '/tmp/conda-cache')}"
        + ("" if mounts else " && rm -rf /tmp/conda-cache"),
        "USER root",
    ]


def _finish_conda(*, mounts: bool) -> list[str]:
    """Notebooks run in conda's environment, now that its packages and pip's are there."""
    mounted = f"{CONDA_FILES}{UV_CACHE}" if mounts else ""
    program = f"{ENV}/bin/python {CONDA}/program.py"
    return [
        f"RUN {mounted}{program} finish {CONDA} {conda.IN_IMAGE.prefix} -"
        f" && rm -rf {REPO}/{conda.FOLDER}"
    ]


def _post_build(recipe: Recipe) -> list[str]:
    if not recipe.post_build:
        return []
    run = f"{_mended(recipe.post_build)}{_run_script(recipe.post_build)}"
    if recipe.conda:
        run = f"bash -c {shlex.quote(f'. {conda.IN_IMAGE.activate} && {run}')}"
    return [f"RUN {run}"]


def _freeze(recipe: Recipe) -> str:
    """Write down which versions were installed."""
    pip = f"uv pip freeze --quiet --no-cache > {LOCK_IN_IMAGE}"
    return f"{pip} && cat {conda.IN_IMAGE.lock} >> {LOCK_IN_IMAGE}" if recipe.conda else pip


def _entrypoint(recipe: Recipe) -> list[str]:
    mended = [f"RUN {_mended(recipe.start)}true"] if recipe.start else []
    if recipe.start or recipe.conda:
        return [*mended, f"ENTRYPOINT {json.dumps([*_begin(recipe)])}"]
    return mended


def _begin(recipe: Recipe) -> tuple[str, ...]:
    """What each session begins with, before its server."""
    activate = f". {conda.IN_IMAGE.activate}; " if recipe.conda else ""
    start = f"{shlex.quote(f'{REPO}/{recipe.start}')} " if recipe.start else ""
    return ("/bin/bash", "-c", f'{activate}exec {start}"$@"', "start")
