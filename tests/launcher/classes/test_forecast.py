"""The forecast: what the plan and the measured sessions say, with its figures."""

import pytest

from launcher.classes.forecast import forecast
from launcher.room.capacity import GB, MB, Capacity, Plan
from launcher.room.measured import Measured

IMAGE = "env/intro:1-2"


def capacity(measured=0, **plan):
    found = Capacity(
        Plan(**({"memory": 22 * GB, "reserve": 384 * MB, "largest": GB} | plan)), Measured(None)
    )
    used = {f"s{n}": measured * MB for n in range(20 if measured else 0)}
    found.measured.sample(used, dict.fromkeys(used, IMAGE))
    return found


@pytest.mark.parametrize(
    ("students", "verdict"),
    [(1, "fits"), (49, "fits"), (50, "tight"), (58, "tight"), (59, "too many")],
)
def test_it_is_said_before_class_whether_they_fit(students, verdict):
    said = forecast(capacity(), IMAGE, students)
    assert (said.verdict, said.most) == (verdict, 58)


def test_the_sentence_has_its_figures():
    said = forecast(capacity(), IMAGE, 40).sentence
    assert said == (
        "40 sessions need 15.0 GB, 384 MB each (the setting, because too few were measured yet); "
        "there is 22.0 GB for sessions. They fit, and up to 58 would."
    )


def test_measured_sessions_count_more_than_the_setting():
    said = forecast(capacity(measured=600), IMAGE, 40)
    assert (said.verdict, said.most, said.reserve, said.measured) == ("too many", 37, 600 * MB, 20)
    assert "nine of ten sessions of it stayed below that, of 20 measured" in said.sentence
    assert "At most 37 fit; the others would wait in line." in said.sentence
    assert forecast(capacity(measured=200), IMAGE, 40).verdict == "fits"


@pytest.mark.parametrize("limit", ["sessions", "per_course"])
def test_a_limit_of_the_settings_is_named(limit):
    said = forecast(capacity(**{limit: 30}), IMAGE, 40)
    assert (said.verdict, said.most) == ("too many", 30)
    assert f"capacity.{limit}" in said.sentence
