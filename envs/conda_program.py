"""conda packages inside a build: `program.py install|finish FOLDER PREFIX CACHE`.

It is copied into the build and runs there, as the student's user: `install` with py-rattler at
hand, `finish` with the standard library alone. `FOLDER` holds `request.json` and, where an earlier
build of the commit left one, `lock`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCKED = re.compile(r"(\S+/([^/]+)-([^/-]+)-([^/-]+)\.(?:conda|tar\.bz2))#([0-9a-f]{64})")
"""A line of the lock: address, name, version, build and SHA-256 of a package."""
ACTIVATE = """
export PATH="$HOME/.local/bin:{programs}:{prefix}/bin:$PATH"
for file in "{prefix}"/etc/conda/activate.d/*.sh; do
  if [ -r "$file" ]; then . "$file"; fi
done
"""


def main(action: str, folder: str, prefix: str, cache: str) -> None:
    request = json.loads(Path(folder, "request.json").read_text("utf-8"))
    if action == "install":
        said = ""
        try:
            asyncio.run(install(request, locked_specs(Path(folder)), Path(prefix), cache))
        except Refused as refused:
            said = f"error: {request['file']}: {refused}\n"
        sys.stderr.write(said)
        sys.stderr.flush()
        # py-rattler's threads outlive it: one interpreter in ten dies by a signal at its end.
        os._exit(1 if said else 0)
    else:
        finish(request, Path(prefix))


class Refused(Exception):
    """What the environment's file asks for cannot be had."""


def locked_specs(folder: Path) -> list[str]:
    """Exactly the packages of an earlier build, or nothing."""
    try:
        lock = Path(folder, "lock").read_text("utf-8")
    except OSError:
        return []
    return [
        f"{name}[version='=={version}',build='{build}',sha256='{digest}']"
        for _, name, version, build, digest in LOCKED.findall(lock)
    ]


async def install(request: dict[str, Any], locked: list[str], prefix: Path, cache: str) -> None:
    import rattler  # where it is not needed it is not there

    gateway = rattler.Gateway(cache_dir=Path(cache, "repodata"))
    channels = request["channels"]
    wanted = locked or request["specs"]
    specs = []
    for text in wanted:
        try:
            specs.append(rattler.MatchSpec(text, strict=False))
        except Exception as error:  # rattler's own kinds are many
            raise Refused(f"{text!r} is not a conda package: {error}") from error
    platforms: list[Any] = [str(rattler.Platform.current()), "noarch"]
    try:
        for extra in [] if locked else request["extras"]:
            found = await gateway.query(channels, platforms, [extra], recursive=False)
            if any(found):
                specs.append(rattler.MatchSpec(extra, strict=False))
        records = await rattler.solve(
            channels,
            specs,
            gateway=gateway,
            platforms=platforms,
            virtual_packages=rattler.VirtualPackage.detect(),
        )
    except Exception as error:
        raise Refused(reason(error)) from error
    for record in sorted(records, key=lambda one: one.name.source):
        print(f"{record.name.source} {record.version} {record.build}", flush=True)
    try:
        await rattler.install(
            records,
            prefix,
            cache_dir=Path(cache, "packages"),
            execute_link_scripts=True,
            show_progress=False,
        )
    except Exception as error:
        raise Refused(reason(error)) from error


def reason(error: Exception) -> str:
    """The whole of what went wrong on one line, for the build's log."""
    return " ".join(str(error).split())


def finish(request: dict[str, Any], prefix: Path) -> None:
    """Make the environment the one that notebooks run in, and say what is in it."""
    python = prefix / "bin/python"
    if subprocess.run([python, "-c", "import ipykernel"], stderr=subprocess.DEVNULL).returncode:
        subprocess.run(
            [os.environ.get("UV", "uv"), "pip", "install", "--python", python, "ipykernel"],
            check=True,
        )
    # JUPYTER_PATH leads here first. ipykernel's own says `python`, which is the server's.
    kernel = prefix / "share/jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    said = {"display_name": "Python 3", "language": "python", "argv": argv}
    kernel.unlink(missing_ok=True)
    kernel.write_text(json.dumps({**said, "metadata": {"debugger": True}}), "utf-8")
    shared: list[str | Path] = [python, "-c", "import jupyterlab, jupyter_server"]
    if not request["shared"] or subprocess.run(shared, stderr=subprocess.DEVNULL).returncode:
        link_programs(Path(request["server"]), Path(request["programs"]))
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j0", prefix / "lib"],
        check=False,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip - some packages hold code of Python 2
    activate = ACTIVATE.format(prefix=prefix, programs=request["programs"])
    Path(request["activate"]).write_text(activate, "utf-8")
    lines = []
    for record in sorted(prefix.glob("conda-meta/*.json")):
        known = json.loads(record.read_text("utf-8"))
        lines.append(f"{known['url']}#{known.get('sha256', '')}")
    Path(request["lock"]).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def link_programs(server: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("jupyter-server", "jupyter-lab", "jupyter-notebook", "jupyter"):
        target = folder / program
        if (server / "bin" / program).exists() and not target.is_symlink():
            os.symlink(server / "bin" / program, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
