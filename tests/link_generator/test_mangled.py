"""What mail, chat and markup do to a link is undone; what a link ends with itself stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_generator.mangled import LONGEST, read_query, seal, unmangle

LINK = "https://h.org/launch?env=gh/o/e&path=a"


@pytest.mark.parametrize(
    "text",
    [
        f" {LINK}\n",
        f"<{LINK}>",
        f"({LINK}).",
        f'"{LINK}",',
        LINK.replace("&", "&amp;"),
        LINK.replace("&", "&amp;amp;"),
        f"[week 1]({LINK})",
        f"[![Launch](https://h.org/badge.svg)](<{LINK}>)",
        f'<p><a class="b" href="{LINK.replace("&", "&amp;")}">go</a></p>',
        f".. image:: https://h.org/badge.svg\n   :target: {LINK}\n   :alt: Launch",
    ],
)
def test_what_stands_around_a_link_is_taken_away(text):
    assert unmangle(text) == LINK


@given(st.text("a.)(],>&;\"'%2F", max_size=20))
def test_a_sealed_end_stays(end):
    escaped = "".join(one if one in "a.%2F" else f"%{ord(one):02X}" for one in end)
    assert unmangle(seal(f"{LINK}{escaped}")) == seal(f"{LINK}{escaped}")


def test_a_bracket_that_is_opened_in_the_address_stays():
    assert unmangle("https://h.org/a(1)") == "https://h.org/a(1)"
    assert unmangle("(https://h.org/a(1))") == "https://h.org/a(1)"


def test_what_is_longer_than_any_address_is_left_alone():
    text = ")" * (LONGEST + 1)
    assert unmangle(text) == text


def test_values_that_were_encoded_twice_are_decoded_twice_and_others_are_not():
    once = [("repo", "https://h/r"), ("path", "a%2Fb")]
    assert read_query("repo=https%3A%2F%2Fh%2Fr&path=a%252Fb") == once
    assert read_query("repo%3Dhttps%253A%252F%252Fh%252Fr%26path%3Da%25252Fb") == once
    assert read_query("repo=https%253A%252F%252Fh%252Fr&path=a%25252Fb") == once
