"""What git's complaints about a remote repository mean: missing, private, or a host in trouble."""

from __future__ import annotations

import re

from envs.errors import GitHostDown, RepoNotFound
from envs.git import GitFailed

PRIVATE = re.compile(
    r"could not read Username|Authentication failed|terminal prompts|Permission denied"
    r"|returned error: 40[13]",
    re.IGNORECASE,
)
MISSING = re.compile(
    r"repository '.*' not found|does not exist|returned error: 4(04|10)"
    r"|not appear to be a git repository",
    re.IGNORECASE,
)
NO_GIT = re.compile(r"not valid: is this a git repository", re.IGNORECASE)
DOWN = (
    (
        r"returned error: (5\d\d)",
        "The git server of {repo} has a fault: it says error {0}.",
    ),
    (r"too slow|timed out", "The git server of {repo} did not answer in time."),
    (r"resolve host", "There is no server of the name in {repo}."),
    (r"certificate", "The certificate of the git server of {repo} is not trusted here."),
    (r"returned error: 30", "The git server of {repo} leads to nowhere that can be followed."),
)
"""What git says of a server that is in trouble, and what it means."""
UNREACHED = re.compile(
    "|".join(
        (
            *(one.pattern for one in (PRIVATE, MISSING, NO_GIT)),
            *(shape for shape, _ in DOWN),
            "unable to access|could not read from remote|RPC failed",
        )
    ),
    re.IGNORECASE,
)
NOT_GIVEN = re.compile("not our ref|unadvertised object")
"""What servers say that hand out no commits by id."""


def explain_git(error: GitFailed, repo: str) -> RepoNotFound | GitHostDown:
    """What git's complaint about a remote repository means for a person.

    Only a clear answer of the server says that a repository is missing; all else is its trouble.
    """
    said = error.stderr
    if PRIVATE.search(said):
        return RepoNotFound(
            f"There is no repository at {repo}, or it is private.",
            hint="Open the address in a private browser window: it must show the repository. "
            "For a private one, the person who runs this server can add a credential.",
        )
    if NO_GIT.search(said):
        return RepoNotFound(
            f"{repo} is a web page, not a git repository.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    if MISSING.search(said):
        return RepoNotFound(
            f"There is no repository at {repo}.",
            hint="Check its spelling: open the address in a private browser window.",
        )
    last = (said.strip().splitlines() or ["no answer"])[-1]
    hint = f"Try again in a minute; the link itself may be fine. Git says: {last}"
    for shape, sentence in DOWN:
        found = re.search(shape, said, re.IGNORECASE)
        if found:
            return GitHostDown(sentence.format(*found.groups(), repo=repo), hint=hint)
    return GitHostDown(f"The git server of {repo} cannot be reached.", hint=hint)


def is_unreached(error: GitFailed) -> bool:
    """True where git did not get as far as what it asked for: nothing else would come, either."""
    return bool(UNREACHED.search(error.stderr)) and not NOT_GIVEN.search(error.stderr)
