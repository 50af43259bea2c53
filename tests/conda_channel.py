"""A conda channel in a folder: a Python that is the system's own, and packages of one module."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

VERSIONS = ("1.0", "1.1", "2.0")
# In a process of its own: py-rattler's threads can end the interpreter by a signal at its end.
INDEX = """
import asyncio, os, sys
from rattler.index import index_fs
asyncio.run(index_fs(sys.argv[1]))
os._exit(0)
"""


def make_channel(folder: Path, *, python: str = "3.11") -> Path:
    """`python` and three versions of `hello-data`, which has a module, a program and activation."""
    write_package(
        folder / "linux-64",
        {"name": "python", "version": f"{python}.2", "depends": []},
        files={"pyvenv.cfg": f"home = /usr/bin\nversion = {python}.2\n"},
        links={
            f"bin/python{python}": f"/usr/bin/python{python}",
            "bin/python3": f"python{python}",
            "bin/python": f"python{python}",
        },
    )
    for version in VERSIONS:
        module = f"VERSION = {version!r}\ndef main(): print(VERSION)\n"
        about = f"Metadata-Version: 2.1\nName: hello-data\nVersion: {version}\n"
        write_package(
            folder / "noarch",
            {"name": "hello-data", "version": version, "depends": ["python >=3.8"],
             "noarch": "python"},
            files={
                "site-packages/hello_data.py": module,
                f"site-packages/hello_data-{version}.dist-info/METADATA": about,
                f"site-packages/hello_data-{version}.dist-info/INSTALLER": "conda",
                f"site-packages/hello_data-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\n",
                "etc/conda/activate.d/hello.sh": 'export HELLO_DATA="$CONDA_PREFIX/share"\n',
            },
        )  # fmt: skip
    subprocess.run([sys.executable, "-c", INDEX, folder], check=True)
    return folder


def write_package(
    folder: Path,
    about: Mapping[str, object],
    *,
    files: Mapping[str, str],
    links: Mapping[str, str] | None = None,
) -> None:
    """One `.tar.bz2` of the form that https://docs.conda.io describes for packages."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {"build": "0", "build_number": 0, "subdir": folder.name, **about}
    paths = [path_of(name, text, "hardlink") for name, text in files.items()]
    paths += [path_of(name, "", "softlink") for name in links or {}]
    info = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    if about.get("noarch") == "python":
        entry_points = {"type": "python", "entry_points": ["hello-data = hello_data:main"]}
        info["info/link.json"] = {"noarch": entry_points, "package_metadata_version": 1}
    texts = {**files, **{name: json.dumps(value) for name, value in info.items()}}
    with tarfile.open(folder / f"{about['name']}-{about['version']}-0.tar.bz2", "w:bz2") as tar:
        for name, text in texts.items():
            add(tar, name, text.encode())
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)


def path_of(name: str, text: str, kind: str) -> dict[str, object]:
    data = text.encode()
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": name, "path_type": kind, "sha256": digest, "size_in_bytes": len(data)}


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
