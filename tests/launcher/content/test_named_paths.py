"""Who mistyped a path reads which one was meant."""

from __future__ import annotations

import pytest

from launcher.content.named_paths import nearest_paths

FILES = ["wk1/intro.ipynb", "wk1/loops.ipynb", "wk2/loops.ipynb", "README.md"]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("wk1/intor.ipynb", "wk1/intro.ipynb"),
        ("week-one/intro.ipynb", "wk1/intro.ipynb"),
        ("notes/README.md", "README.md"),
    ],
)
def test_the_same_name_elsewhere_comes_before_what_is_only_alike(path, near):
    assert nearest_paths(path, FILES)[0] == near


def test_what_is_like_nothing_has_nothing_near():
    assert nearest_paths("zzz", FILES) == []


def test_three_are_enough():
    assert len(nearest_paths("wk/loops.ipynb", [f"wk{n}/loops.ipynb" for n in range(9)])) == 3
