"""A JSON file that several processes change: at once or not at all, one after the other."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.json_file import changing, read


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "rows.json"


def names(file):
    return sorted(one.name for one in file.parent.iterdir())


def test_what_is_changed_is_there_and_nothing_else_is_left(file):
    assert read(file) == {}
    with changing(file) as rows:
        rows["a"] = 1
    with changing(file) as rows:
        rows["b"] = 2
    assert read(file) == {"a": 1, "b": 2}
    assert names(file) == ["rows.json", "rows.lock"]


def test_those_who_change_it_at_the_same_time_take_turns(file):
    def add(number):
        with changing(file) as rows:
            rows[str(number)] = number

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(add, number) for number in range(100)]:
            done.result(120)
    assert len(read(file)) == 100


@pytest.mark.parametrize("trouble", ["the change", "the disk"])
def test_a_change_that_fails_leaves_the_file_as_it_was(file, monkeypatch, trouble):
    with changing(file) as rows:
        rows["a"] = 1

    def full(*_):
        raise OSError(28, "No space left on device")

    def change():
        with changing(file) as rows:
            rows["a"] = 2
            if trouble == "the change":
                full()

    if trouble == "the disk":
        monkeypatch.setattr("envs.atomic.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        change()
    assert read(file) == {"a": 1}
    assert names(file) == ["rows.json", "rows.lock"]


def test_what_is_no_json_is_said_or_replaced(file):
    file.parent.mkdir()
    file.write_text("broken")
    with pytest.raises(ValueError, match="Expecting"):
        read(file)
    with pytest.raises(ValueError, match="Expecting"), changing(file):
        pytest.fail("nobody changes it")
    assert file.read_text() == "broken"
    with changing(file, heal=True) as rows:
        rows["a"] = 1
    assert json.loads(file.read_text()) == {"a": 1}
