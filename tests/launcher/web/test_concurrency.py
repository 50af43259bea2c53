"""What holds a thread for long is one at a time of each student, and a few in all."""

from __future__ import annotations

import pytest

from launcher.web.concurrency import ConcurrencyLimit, TooBusy


def test_each_student_has_one_at_a_time():
    limit = ConcurrencyLimit()
    with limit.held_by("s1"), limit.held_by("s2"):
        with pytest.raises(TooBusy, match="still under way"):
            limit.take("s1")
        with pytest.raises(TooBusy, match="still under way"), limit.held_by("s1"):
            pass
        with pytest.raises(TooBusy):  # the refused one gave nothing back
            limit.take("s1")
    limit.take("s1")


def test_all_of_them_have_a_few():
    limit = ConcurrencyLimit(most=2)
    with limit.held_by("s1"), limit.held_by("s2"), pytest.raises(TooBusy, match="Many others"):
        limit.take("s3")
    limit.take("s3")


def test_what_fails_gives_its_place_back():
    limit = ConcurrencyLimit(most=1)
    with pytest.raises(ValueError, match="x"), limit.held_by("s1"):
        raise ValueError("x")
    limit.take("s2")
