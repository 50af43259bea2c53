"""A link as HTML: whatever its names hold stays text."""

from html.parser import HTMLParser

from link_generator.dialects.draft import Draft
from link_generator.snippets import compose_button, compose_lms, label_of

NASTY = 'https://h/launch?a=1&path="><script>alert(1)</script>'


class Read(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_label_says_what_opens():
    assert label_of(Draft(repo="https://h/r", path="wk1/a.ipynb")) == "Open a.ipynb"
    assert label_of(Draft(repo="https://h/r", path="wk1/")) == "Open wk1"
    assert label_of(Draft(repo="https://h/r")) == "Open the course"


def test_the_button_brings_its_own_looks():
    ((tag, attrs),) = (read := Read(compose_button(NASTY, "Open <b>"))).tags
    assert (tag, attrs["href"], read.text) == ("a", NASTY, "Open <b>")
    assert "background:#0b5cad" in attrs["style"]


def test_the_platform_s_line_opens_in_a_new_tab():
    read = Read(compose_lms(NASTY, "Open a.ipynb"))
    assert [tag for tag, _ in read.tags] == ["p", "a"]
    attrs = read.tags[1][1]
    assert (attrs["href"], attrs["target"], attrs["rel"]) == (NASTY, "_blank", "noopener")
    assert read.text == "Open a.ipynb (opens in a new tab)"
