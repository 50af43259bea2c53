"""Homes: one folder per student and course, whatever the link looks like."""

import pytest

from launcher.homes.home import Homes, course_name, has_server_settings


@pytest.mark.parametrize(
    "other",
    [
        "https://github.com/org/hw.git",
        "https://GitHub.com/org/hw/",
        "https://github.com/org/hw.git/",
    ],
)
def test_spellings_of_one_repository_are_one_course(other):
    assert course_name("https://github.com/org/hw") == course_name(other)


def test_two_repositories_of_one_name_are_two_courses():
    assert course_name("https://github.com/alice/hw") != course_name("https://github.com/bob/hw")


@pytest.mark.parametrize("address", ["https://x/日本語", "git@h:../..", "https://x/" + "a" * 300])
def test_a_course_name_is_one_plain_folder(tmp_path, address):
    path = Homes(tmp_path).path("abc123", course_name(address))
    assert path.parent == tmp_path / "abc123"
    path.mkdir(parents=True)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\0b", "a\n"])
def test_no_name_leaves_the_folder_of_homes(tmp_path, name):
    with pytest.raises(ValueError):
        Homes(tmp_path).path("abc123", name)
    with pytest.raises(ValueError):
        Homes(tmp_path).path(name, "course")


def test_settings_that_a_server_reads_at_its_start_are_seen(tmp_path):
    assert not has_server_settings(tmp_path / "none")
    assert not has_server_settings(tmp_path)
    (tmp_path / ".jupyter/lab/user-settings").mkdir(parents=True)
    assert not has_server_settings(tmp_path)
    (tmp_path / ".jupyter/jupyter_server_config.py").touch()
    assert has_server_settings(tmp_path)


def test_a_folder_of_settings_that_is_a_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = tmp_path / "home"
    (home / ".local").mkdir(parents=True)
    (home / ".local/etc").symlink_to(elsewhere)
    assert has_server_settings(home)
