"""Sizes as people read them."""

from __future__ import annotations

import pytest

from envs.sizes import human


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 kB"),
        (384 * 1024**2, "384 MB"),
        (15 * 1024**3, "15.0 GB"),
        (2000 * 1024**3, "2000.0 GB"),
    ],
)
def test_a_size_has_the_unit_that_people_know(size, said):
    assert human(size) == said
