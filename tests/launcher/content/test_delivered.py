"""What a home was given: two repositories whose folders have one name do not share it."""

from types import SimpleNamespace

import pytest

from launcher.content.delivered import (
    Delivered,
    check_course,
    delivered_in,
    folders_of,
    note_course,
    record,
)
from launcher.errors import FolderOfAnother
from launcher.homes.home import Homes, course_name
from link_generator.content import Content
from link_generator.link import Link

ONE, OTHER = "https://github.com/org7056/course", "https://github.com/org41320/course"
"""Found among forty thousand addresses, in a moment."""


@pytest.fixture
def spec(tmp_path):
    spec = SimpleNamespace(home=tmp_path / "homes/s1" / course_name(ONE))
    record(spec, Delivered("course", ONE, "", (), 1.0))
    return spec


def test_an_address_that_was_looked_for_shares_no_home(spec):
    assert course_name(ONE) == course_name(OTHER) == spec.home.name
    with pytest.raises(FolderOfAnother) as caught:
        check_course(spec.home, OTHER)
    assert ONE in caught.value.message
    assert OTHER in caught.value.message


@pytest.mark.parametrize("same", [ONE, f"{ONE}.git", f"{ONE}/", ONE.replace("github", "GitHub")])
def test_the_same_course_has_its_home_however_it_is_spelled(spec, same):
    check_course(spec.home, same)


def test_a_second_repository_in_the_same_home_is_no_other_course(spec):
    record(spec, Delivered("data", "https://github.com/org/data", "", (), 2.0))
    check_course(spec.home, ONE)


def test_a_home_without_anything_is_anybodys(tmp_path):
    check_course(tmp_path / "homes/s2" / course_name(ONE), OTHER)


def test_a_course_has_its_home_from_the_first_launch_on(tmp_path):
    home = tmp_path / "homes/s2" / course_name(ONE)
    home.mkdir(parents=True)
    note_course(home, ONE)
    note_course(home, f"{ONE}.git")
    check_course(home, ONE)
    with pytest.raises(FolderOfAnother, match=ONE):
        check_course(home, OTHER)
    assert delivered_in(home) == [], "nothing was brought"
    notes = Homes(tmp_path / "homes").notes("s2", home.name)
    assert len(notes) == 1, "it goes into the bin with the home"


def test_content_that_was_looked_for_gets_a_folder_of_its_own(spec):
    link = Link(env="e", repo="https://github.com/org/first", more=(Content(OTHER),))
    first, other = folders_of(link, spec)
    assert first == "first"
    assert other != "course"
    again = Link(env="e", repo="https://github.com/org/first", more=(Content(ONE),))
    assert folders_of(again, spec) == ("first", "course")
