"""What is known of a build while it runs, after it failed, and after it was killed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import pytest

from envs.build import Build, write_record
from envs.errors import BuildFailed
from envs.halt import NO_HALT
from envs.readers import read_recipe
from envs.readers.texts import read_texts
from envs.records import Records
from envs.store import Store
from envs.version import resolve_version
from tests.envs.fake_builder import FileBuilder
from tests.git_server import Repo
from tests.waiting import wait_for

SAYS = """$ uv pip install --requirements requirements.txt
error: No solution found when resolving dependencies
  cause: Because nosuch was not found in the package registry and you require nosuch
"""


@dataclass
class Uv(FileBuilder):
    """Fails as uv does."""

    def build(self, name, recipe, *, source, labels, say, halt=NO_HALT, cache=""):
        for line in SAYS.splitlines():
            say(line)
        wait_for(self.goes_on, 60, every=0.01)
        raise BuildFailed("[3/7] RUN uv pip install: exit code: 1", log_tail=["x"])


@pytest.fixture
def version(host, git):
    Repo.create(host.root / "env", {"requirements.txt": "six\nnosuch\n"}, tag="v1")
    return resolve_version(host.url("env"), "v1", git=git)


@pytest.fixture
def store(tmp_path, git):
    (tmp_path / "images").mkdir()
    return Store(tmp_path / "builds", Uv(tmp_path / "images"), git, poll=0.01)


def ignore(line):
    pass


def test_a_failure_is_told_by_its_first_error_everywhere(store, version):
    with pytest.raises(BuildFailed) as failed:
        store.ensure_image(version, say=ignore)
    sentence = "requirements.txt line 2: There is no Python package called nosuch."
    assert str(failed.value) == failed.value.message == sentence
    assert "package index" in failed.value.hint
    name = failed.value.image
    build = store.records.newest(name)
    assert (build.outcome, build.error, build.file, build.line) == (
        "failed", sentence, "requirements.txt", 2,
    )  # fmt: skip
    lines = store.records.log_lines(name)
    assert "No solution found" in lines[build.log_line - 1].text
    assert lines[-1].text == f"The build failed: {sentence}"


def test_who_waited_gets_the_same_error(store, version):
    errors, logs = [], [[], []]
    store.builder.goes_on = lambda: all(SAYS.splitlines()[0] in log for log in logs)

    def ensure(log):
        try:
            store.ensure_image(version, say=log.append)
        except BuildFailed as error:
            errors.append((error.message, error.hint, error.image))

    threads = [threading.Thread(target=ensure, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(errors) == 2
    assert len(set(errors)) == 1


def test_a_build_under_way_is_known_and_a_killed_one_is_not_under_way(store, version):
    gate = threading.Event()
    store.builder.goes_on = gate.is_set
    *_, name = store.plan(version)
    assert store.records.newest(name) is None

    def ensure():
        with pytest.raises(BuildFailed):
            store.ensure_image(version, say=ignore)

    thread = threading.Thread(target=ensure)
    thread.start()
    wait_for(store.records.unfinished)
    mark = next(store.folder.glob("logs/*/now"))
    kept = mark.read_text()
    assert store.records.newest(name).outcome == "running"
    assert [build.outcome for build in store.records.unfinished()] == ["running"]
    gate.set()
    thread.join(60)
    assert store.records.unfinished() == []
    assert store.records.newest(name).outcome == "failed"
    for record in mark.parent.glob("*.json"):
        record.unlink()
    mark.write_text(kept)  # what a killed process leaves
    assert store.records.newest(name).outcome == "interrupted"
    assert [build.outcome for build in store.records.unfinished()] == ["interrupted"]
    with pytest.raises(BuildFailed):
        store.ensure_image(version, say=ignore)
    assert store.records.unfinished() == []


class EndsMeanwhile(Records):
    """Every build that is looked at ends between the look at its record and the one at its lock."""

    def is_built(self, name):
        write_record(self.place(name), replace(BUILD, outcome="built"))
        return False


BUILD = Build("env/a:1-2", "https://git.example.org/a", "", "1" * 40, 100.0, 0.0, "running")


@pytest.mark.parametrize(
    "look", [lambda records: [records.newest(BUILD.name)], Records.unfinished], ids=["one", "all"]
)
def test_a_build_that_ends_while_its_record_is_read_was_not_interrupted(tmp_path, look):
    records = EndsMeanwhile(tmp_path)
    records.place(BUILD.name).mkdir(parents=True)
    write_record(records.place(BUILD.name), BUILD)
    assert "interrupted" not in [build.outcome for build in look(records)]
    assert [build.outcome for build in records.all()] == ["built"]
    assert records.newest(BUILD.name).outcome == "built"


def test_included_files_are_read_and_links_out_of_the_repository_are_not(tmp_path):
    root = tmp_path / "repo"
    (root / "more").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret\n")
    (root / "requirements.txt").write_text("-r more/a.txt\n--requirement=b.txt\n-r ../secret.txt\n")
    (root / "more" / "a.txt").write_text("-c ../requirements.txt\n-r ../b.txt\n-r gone.txt\nsix\n")
    (root / "b.txt").symlink_to(tmp_path / "secret.txt")
    (root / "postBuild").write_text("true\n")
    texts = read_texts(root, read_recipe(root))
    assert set(texts) == {"requirements.txt", "more/a.txt", "postBuild"}
