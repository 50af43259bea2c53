"""What a lock says, and how two of them differ."""

from __future__ import annotations

from envs.packages import difference, packages_of

HASH = "0" * 64


def test_pip_s_and_conda_s_lines_are_packages():
    lock = (
        "six==1.16.0\nJinja2==3.1\nmine @ file:///srv/repo\n-e file:///srv/repo\n# made by x\n"
        f"https://conda.example.org/noarch/tz-data-2024a-h0_1.conda#{HASH}\n"
        f"file:///channel/linux-64/python-3.11.2-0.tar.bz2#{HASH}\n"
    )
    assert packages_of(lock) == {
        "Jinja2": "3.1",
        "mine": "file:///srv/repo",
        "python": "3.11.2",
        "six": "1.16.0",
        "tz-data": "2024a",
    }
    assert packages_of("") == {}


def test_a_difference_names_what_came_what_went_and_what_changed():
    found = difference({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    assert found.added == (("d", "1"),)
    assert found.removed == (("a", "1"),)
    assert found.changed == (("b", "1", "2"),)
    assert not difference({"a": "1"}, {"a": "1"})
