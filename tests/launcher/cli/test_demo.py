"""`launcher demo`: what it makes is for who runs it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from launcher.__main__ import main
from launcher.cli import demo
from tests.fakes import fake_sessions

pytestmark = pytest.mark.usefixtures("unchanged_process")


def test_the_data_folder_is_private_before_anything_is_in_it(tmp_path, monkeypatch):
    class Made(Exception):
        pass

    def make_samples(repositories):
        raise Made(repositories.parent.stat().st_mode & 0o777)

    monkeypatch.setattr(demo, "make_samples", make_samples)
    with pytest.raises(Made) as made:
        main(["demo", "--once", "--data", str(tmp_path / "data")])
    assert made.value.args == (0o700,)


@pytest.mark.parametrize("word", ["foo", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_a_sentence(word, tmp_path, capsys):
    assert main(["demo", "--listen", word, "--data", str(tmp_path / "data")]) == 1
    assert f"`--listen`: {word!r} is not HOST:PORT" in capsys.readouterr().err
    assert demo.free_address("8080", once=False) == ("127.0.0.1", 8080)


def test_a_demo_that_ends_leaves_no_session_that_nobody_would_stop(tmp_path, monkeypatch):
    sessions = fake_sessions(tmp_path)
    other, _ = sessions.ensure("ben", "course", "env/a:1", "link", lambda _: None)
    began = []

    def wait():
        spec, _ = sessions.ensure("anna", "course", "env/a:1", "link", lambda _: None)
        (spec.home / "mine.txt").write_text("mine")
        began.append(spec)
        raise SystemExit(0)  # by a signal

    parts = SimpleNamespace(
        runtime=sessions.runtime, history=sessions.history, why_runtime="a fake"
    )
    running = SimpleNamespace(parts=parts, url="http://127.0.0.1:9", wait=wait, stop=lambda: None)
    monkeypatch.setattr(demo.serving, "start", lambda _: running)
    with pytest.raises(SystemExit):
        main(["demo", "--data", str(tmp_path / "data")])
    (spec,) = began
    assert [session.id for session in sessions.runtime.list()] == [other.id]
    assert sessions.history.find(spec.id).why == "the demo ended"
    assert (spec.home / "mine.txt").read_text() == "mine"
