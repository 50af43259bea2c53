"""History: a session that is gone can be brought back."""

import pytest

from launcher.database import Database
from launcher.session import Limits, SessionSpec
from launcher.sessions.history import History


@pytest.fixture
def spec(tmp_path):
    return SessionSpec(
        id="abcdef0123456789", owner="s1", course="c", image="i", link="/launch?env=x",
        token="secret-token", home=tmp_path, limits=Limits(1, 1, 1),
    )  # fmt: skip


def test_an_ended_session_is_remembered_with_its_link(tmp_path, spec):
    history = History(Database.of(tmp_path))
    history.started(spec)
    history.ended(spec.id, "it was not used for 10 min")
    found = history.find(spec.id)
    assert (found.owner, found.link, found.why) == (
        "s1",
        "/launch?env=x",
        "it was not used for 10 min",
    )


def test_the_first_reason_stays(tmp_path, spec):
    history = History(Database.of(tmp_path))
    history.started(spec)
    history.ended(spec.id, "you stopped it")
    history.ended(spec.id, "its server ended")
    assert history.find(spec.id).why == "you stopped it"


def test_the_token_is_not_remembered(tmp_path, spec):
    History(Database.of(tmp_path)).started(spec)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert not any(b"secret-token" in path.read_bytes() for path in files)
    assert any(b"/launch?env=x" in path.read_bytes() for path in files)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "zz", "abcdef0123456789x"])
def test_an_id_from_a_url_cannot_name_another_file(tmp_path, name):
    assert History(Database.of(tmp_path)).find(name) is None
