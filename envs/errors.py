"""What can go wrong with an environment.

EnvError
├── BadEnvironment     a name, address or file that cannot be understood
│   └── TooLarge         a repository holds more than this server reads
├── RepoNotFound       the repository or image is missing or private
├── GitHostDown        the git host does not answer
├── HostNotAllowed     the settings do not let this server contact the host
├── UnknownRef         no such tag, branch or commit (holds those that exist)
├── AmbiguousRef       a tag and a branch of one name are different commits
├── NotOffered         understood, but this builder cannot make it
├── TooManyBuilds      too many of one owner's run or wait already
├── BuildCancelled     somebody ended the build
└── BuildFailed        a step of the build ended with an error
    └── OverLimit        it needs more time or memory than this server allows
"""

from __future__ import annotations

from collections.abc import Sequence


class EnvError(Exception):
    """Base of all; `hint` says the way out, `field` the part of the link that caused it."""

    field = "env"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message  # a store may have put the first error in its place


class BadEnvironment(EnvError):
    """A name, an address or a file of the environment cannot be understood."""


class TooLarge(BadEnvironment):
    """A repository holds more than this server reads."""


class RepoNotFound(EnvError):
    """The repository does not exist or is private."""


class GitHostDown(EnvError):
    """The git host did not answer in time."""


class HostNotAllowed(EnvError):
    """The settings do not let this server contact the host."""


class UnknownRef(EnvError):
    """The repository has no tag, branch or commit of this name."""

    def __init__(self, message: str, *, hint: str = "", near: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.near = tuple(near)


class AmbiguousRef(EnvError):
    """A tag and a branch share the name and differ in commit."""


class NotOffered(EnvError):
    """The environment is understood, but cannot be built here."""


class TooManyBuilds(EnvError):
    """As many builds of one owner's repositories run or wait as may."""

    def __init__(self, owner: str, count: int) -> None:
        super().__init__(
            f"So many builds of repositories of {owner} run or wait already: {count}.",
            hint="Open the link again when one of them has ended: /env/ lists them. Environments "
            "that the person who runs this server puts into its catalogue do not wait for them.",
        )


class BuildFailed(EnvError):
    """A build step failed; `log_tail` holds the last lines it printed, `image` the name of what
    was to be built."""

    def __init__(
        self, message: str, *, hint: str = "", log_tail: Sequence[str] = (), image: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.log_tail = tuple(log_tail)
        self.image = image


class OverLimit(BuildFailed):
    """The build needs more than a limit of this server; in another way it would not do better."""


class BuildCancelled(EnvError):
    """Somebody ended the build; the next click may begin it anew."""
