"""Apps open the linked file, and nothing outside the session."""

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from link_generator.apps import APPS
from tests.link_generator.test_link import ODD


@given(st.sampled_from(sorted(APPS)), ODD)
def test_a_target_cannot_leave_the_session(app, path):
    target = APPS[app].target("hw", path)
    assert not target.startswith("/")
    assert "//" not in target
    assert "\\" not in target
    assert "?" not in target
    assert urlsplit(target).scheme == ""


def test_apps_open_the_linked_file():
    assert APPS["lab"].target("hw", "a b/x.ipynb") == "lab/tree/hw/a%20b/x.ipynb"
    assert APPS["notebook"].target("hw", "x.ipynb") == "notebooks/hw/x.ipynb"
    assert APPS["notebook"].target("hw", "x.py") == "tree/hw/x.py"
    assert APPS["lab"].target("", "") == "lab/tree"
