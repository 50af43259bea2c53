"""A content repository's folder in the home."""

import pytest

from link_generator.content import Content, content_folder, content_folders


@pytest.mark.parametrize(
    ("repo", "folder"),
    [
        ("https://h/o/hw.git", "hw"),
        ("https://h/o/hw/", "hw"),
        ("git@h:hw.git", "hw"),
        ("https://h/o/.git", "git"),
        ("https://h/o/.hidden", "hidden"),
        ("https://h/o/a%20b", "a-20b"),
        ("https://h/o/日本", "日本"),
    ],
)
def test_the_content_gets_the_repository_s_own_name(repo, folder):
    assert content_folder(repo) == folder


def test_each_repository_has_a_folder_of_its_own():
    repos = ("https://h/alice/hw", "https://h/bob/hw.git", "git@h:hw", "https://h/x/bob/hw")
    found = content_folders([Content(repo) for repo in repos])
    assert found == ("hw", "bob-hw", "git-h-hw", "bob-hw-2")
