"""Which folders of this machine a sandbox sees: the launcher's word, never an environment's."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from pathlib import Path

import pytest

from envs.errors import NotOffered
from envs.readers import read_recipe
from envs.readers.python_version import PYTHONS
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.local.pythons import find_python, outside_usr
from launcher.session import Limits, SessionSpec, new_session_id

IMAGE = "env/x:1"
SERVER = "#!/bin/sh\nsleep 600\n"


@pytest.fixture
def version(monkeypatch, tmp_path):
    """A Python that this machine lacks, for a test to install."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setenv("PATH", f"{tmp_path}/opt/bin:/usr/bin:/bin")
    return next(one for one in PYTHONS if one != ours and not shutil.which(f"python{one}"))


def install(prefix, version):
    """An interpreter with a tree of its own."""
    program = prefix / f"bin/python{version}"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\necho python\n")
    program.chmod(0o755)
    return program


# What is looked for


@pytest.mark.parametrize("data", ["opt", "opt/data", ".", "opt/bin"])
def test_no_interpreter_brings_the_data_folder_along(tmp_path, version, data):
    install(tmp_path / "opt", version)
    (tmp_path / data).mkdir(exist_ok=True)
    with pytest.raises(NotOffered, match="without the launcher's data folder") as caught:
        find_python(version, data=tmp_path / data)
    assert "or move the data" in caught.value.hint
    (tmp_path / "link").symlink_to(tmp_path / data)
    with pytest.raises(NotOffered):
        find_python(version, data=tmp_path / "link")


def test_an_interpreter_of_its_own_folder_is_found(tmp_path, version):
    python = install(tmp_path / "opt", version)
    assert find_python(version, data=tmp_path / "data") == python
    assert outside_usr(python) == [tmp_path / "opt"]
    assert outside_usr(Path("/usr/bin/env")) == []
    assert outside_usr(Path("/usrs/x/bin/python3")) == [Path("/usrs/x")]


# What a session and a build see


@pytest.fixture
def closed(tmp_path):
    """A folder to which others have no way, with a file that all could read."""
    closed = tmp_path / "closed/folder"
    (closed / "bin").mkdir(parents=True)
    (closed / "secret.key").write_text("the secret")
    closed.parent.chmod(0o700)
    return closed


@pytest.fixture
def runtime(tmp_path):
    config = load_config(data=str(tmp_path / "data"), runtime="local")
    runtime = RUNTIMES["local"](config, uuid.uuid4().hex[:12])
    if not runtime.sandbox.bwrap:
        pytest.skip(runtime.sandbox.why)
    yield runtime
    for session in runtime.list():
        runtime.stop(session.id)


def image(runtime, home, **known):
    """An image whose venv says that it stands on the Python in the folder `home`."""
    place = runtime.images.folder / "built/x"
    for folder in ("venv/bin", "repo"):
        (place / folder).mkdir(parents=True)
    (place / "venv/bin/jupyter-server").write_text(SERVER)
    (place / "venv/bin/jupyter-server").chmod(0o755)
    (place / "venv/pyvenv.cfg").write_text(f"home = {home}\n")
    index = {"name": IMAGE, "place": str(place), "created": "", "labels": {}, **known}
    runtime.images._index(IMAGE).write_text(json.dumps(index))


def start(runtime, tmp_path):
    limits = Limits(memory=256 * 1024**2, cpus=1.0, processes=100)
    home = tmp_path / "homes/s1/c1"
    spec = SessionSpec(new_session_id(), "s1", "c1", IMAGE, "l", "t", home, limits)
    runtime.prepare_home(spec)
    runtime.start(spec)
    return spec.id


@pytest.mark.slow
@pytest.mark.parametrize("known", [{}, {"python": "/usr/bin/python3"}], ids=["old", "new"])
def test_an_environment_s_word_shows_its_sessions_no_folder(runtime, tmp_path, closed, known):
    image(runtime, closed / "bin", **known)
    done = runtime.run(start(runtime, tmp_path), ["cat", f"{closed}/secret.key"])
    assert b"No such file" in done.err
    assert done.out == b""


@pytest.mark.slow
@pytest.mark.parametrize("old", [True, False], ids=["old", "new"])
def test_a_session_sees_the_interpreter_that_its_image_stands_on(runtime, tmp_path, version, old):
    python = install(tmp_path / "opt", version)
    image(runtime, python.parent, **({} if old else {"python": str(python)}))
    session = start(runtime, tmp_path)
    assert runtime.run(session, [str(python)]).out == b"python\n"
    runtime.images._index(IMAGE).unlink()
    assert runtime.run(session, [str(python)]).out == b"python\n", "its image was built anew"


@pytest.mark.slow
def test_a_build_s_steps_see_no_folder_that_an_earlier_one_named(
    runtime, tmp_path, closed, monkeypatch
):
    attack = (
        f'echo "home = {closed}/bin" > ../venv/pyvenv.cfg\n'
        f'rm -rf ../home; ln -s {closed} ../home; mv ~ ~/.. 2>&1; ln -sfn {closed} "$HOME"\n'
        "printf '#!/bin/sh\\nexit 0\\n' > ../venv/bin/python; chmod +x ../venv/bin/python"
    )
    look = f"cat {closed}/secret.key /home/jovyan/secret.key ~/../secret.key > seen 2>&1; :"
    steps = [["mkdir", "-p", "../venv/bin"], ["sh", "-c", attack], ["sh", "-c", look]]
    monkeypatch.setattr("launcher.runtimes.local.images.venv_steps", lambda *_, **__: steps)
    source = tmp_path / "source"
    source.mkdir()
    images, recipe = runtime.images, read_recipe(source)
    images.build(IMAGE, recipe, source=source, labels={}, say=print)
    seen = (images.place(IMAGE) / "repo/seen").read_text()
    assert seen.count("No such file") == 3
    assert "the secret" not in seen
    python = find_python(recipe.python, data=images.data)
    assert images.pythons(IMAGE) == [python]
    assert [one.name for one in (images.folder / "built").iterdir()] == [images.place(IMAGE).name]
