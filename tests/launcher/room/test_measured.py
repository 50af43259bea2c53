"""Measured memory: the peak of each session, kept per environment over restarts."""

import pytest

from launcher.room.measured import KEPT, Measured, environment_of_image

MB = 1024**2


def sample(measured, **used):
    measured.sample(
        {key: mb * MB for key, mb in used.items()}, dict.fromkeys(used, "env/intro:1-2")
    )


def test_a_session_counts_with_the_most_that_it_had(tmp_path):
    measured = Measured(tmp_path / "memory.json")
    sample(measured, a=300)
    sample(measured, a=100)
    assert measured.peaks("env/intro") == [300 * MB]
    assert measured.now == {"a": 100 * MB}
    assert measured.usual("env/intro") is None, "one session says little"


def test_nine_of_ten_stay_below_and_a_restart_knows_it(tmp_path):
    measured = Measured(tmp_path / "memory.json")
    sample(measured, **{f"s{n}": 100 + n for n in range(10)})
    assert measured.usual("env/intro") == 108 * MB
    assert Measured(tmp_path / "memory.json").usual("env/intro") == 108 * MB
    assert measured.usual("env/other") is None


def test_old_sessions_are_forgotten(tmp_path):
    measured = Measured(tmp_path / "memory.json")
    sample(measured, **{f"s{n}": 10 for n in range(KEPT + 20)})
    assert len(measured.peaks("env/intro")) == KEPT


@pytest.mark.parametrize("text", ["", "[]", '{"env/intro": 5}', '{"env/intro": {"a": "x"}}'])
def test_a_damaged_file_is_nothing(tmp_path, text):
    (tmp_path / "memory.json").write_text(text)
    measured = Measured(tmp_path / "memory.json")
    assert measured.peaks("env/intro") == []
    sample(measured, a=1)
    assert measured.peaks("env/intro") == [MB]


@pytest.mark.parametrize(
    ("image", "environment"),
    [
        ("env/intro:12-34", "env/intro"),
        ("host:5000/org/image:v1", "host:5000/org/image"),
        ("host:5000/org/image", "host:5000/org/image"),
    ],
)
def test_versions_of_an_environment_are_measured_together(image, environment):
    assert environment_of_image(image) == environment
