"""A content repository of a link, and its folder in the home. No I/O here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OF_CONTENT = ("repo", "branch", "only", "dir")


@dataclass(frozen=True)
class Content:
    """One content repository of a link."""

    repo: str
    """Git address."""
    branch: str = ""
    """Branch, tag or commit; empty is its default branch."""
    only: str = ""
    """The one folder that students get; empty is all of it."""
    dir: str = ""
    """The folder of the home that the content gets; empty is the repository's name."""


def content_folders(contents: Sequence[Content]) -> tuple[str, ...]:
    """The folder of each content repository, as far as the link alone can say."""
    found: list[str] = [content.dir for content in contents]
    for at, content in enumerate(contents):
        found[at] = content.dir or next(one for one in folder_names(content) if one not in found)
    return tuple(found)


def folder_names(content: Content) -> Iterator[str]:
    """Names for its folder, best first: where one is another repository's, the next is taken."""
    name = content.dir or content_folder(content.repo)
    yield name
    above = re.split(r"[/:]", content.repo.rstrip("/"))
    if content.dir or len(above) < 2:
        name = name.replace("/", "-")
    else:
        name = f"{content_folder(above[-2])}-{name}"
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def content_folder(repo: str) -> str:
    """The folder that the content gets in the student's home: the repository's own name."""
    last = re.split(r"[/:]", re.sub(r"(?<=[^/])\.git$", "", repo.strip().rstrip("/")))[-1]
    return re.sub(r"[^\w.+-]+", "-", last).strip(".-") or "content"


def is_inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
