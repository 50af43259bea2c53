"""A git host in trouble is told from a repository that is not there."""

import pytest

from envs.errors import GitHostDown, RepoNotFound
from envs.git import GitFailed
from envs.git_trouble import explain_git
from envs.version import resolve_version


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", RepoNotFound),
        ("fatal: Authentication failed for 'https://h/x/'", RepoNotFound),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403",
         RepoNotFound),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503",
         GitHostDown),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 429",
         GitHostDown),
        ("fatal: unable to access 'http://h:54037/not-found/': Failed to connect to h port 54037",
         GitHostDown),
        ("fatal: unable to access 'https://h/x/': SSL certificate problem: expired", GitHostDown),
        ("fatal: the remote end hung up unexpectedly", GitHostDown),
        ("", GitHostDown),
    ],
)  # fmt: skip
def test_only_a_clear_answer_makes_a_repository_missing(said, means):
    assert type(explain_git(GitFailed("ls-remote", 128, said), "https://h/x")) is means


def test_a_host_that_is_down_says_what_git_says(host, url, git):
    host.stop()
    with pytest.raises(GitHostDown) as caught:
        resolve_version(url, "v1", git=git)
    assert "Git says: fatal" in caught.value.hint
