"""The one definition of a launch link: what it names, how it reads, how it is written. No I/O here.

`parse_link` and `compose_link` are inverses: flat query, one level of percent-encoding, any order.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from link_generator.apps import APPS
from link_generator.checks import (
    check_content,
    check_env,
    check_folders,
    check_path,
    check_tag,
    check_text,
    check_urlpath,
)
from link_generator.content import OF_CONTENT, Content, is_inside
from link_generator.env_part import split_env
from link_generator.errors import BadLink
from link_generator.mangled import read_query, seal, unmangle
from link_generator.target import compose_target

FIELDS = ("env", "repo", "branch", "only", "dir", "path", "app", "urlpath")
MORE = re.compile(rf"({'|'.join(OF_CONTENT)})([2-9])")
"""Keys of further content repositories: repo2, branch2, only2, dir2, repo3 ..."""
IGNORED_KEYS = re.compile(r"utm_.*|fbclid|gclid")
"""Added by mail and chat programs on the way; not worth a note."""
ALIKE = 256
"""Links that are remembered as they were read and written: a class clicks the same one."""


@dataclass(frozen=True)
class Link:
    """What a student's click asks for. A value that cannot work is refused when it is made."""

    env: str
    """A git address, `gh/org/repo`, `gl/group/sub/repo`, `git/<address>`, an image that exists as
    `docker:<name>:<tag>`, or a catalogue name."""
    tag: str = ""
    """Tag, branch or commit of the environment; empty is the catalogue's or the default branch.
    Of an image `sha256:<digest>`, to pin it."""
    repo: str = ""
    """Git address of the content; empty is an environment on its own."""
    branch: str = ""
    """Branch, tag or commit of the content; empty is its default branch."""
    only: str = ""
    """The one folder of the content that students get; empty is all of it."""
    path: str = ""
    """The file or folder to open, from the content's root."""
    app: str = "lab"
    more: tuple[Content, ...] = ()
    """Further content repositories, each in a folder of its own."""
    dir: str = ""
    """The folder of the home that the content gets; empty is the repository's name."""
    urlpath: str = ""
    """A page of the session that is opened in place of the app: `proxy/8501/`, or what stands
    before the content's folder and `path`: `voila/render`."""

    def __post_init__(self) -> None:
        for field in (*FIELDS, "tag"):
            check_text(field, getattr(self, field))
        check_env(self.env)
        check_tag(self.tag)
        check_path("path", self.path)
        check_content(self.first, "")
        check_urlpath(self.urlpath, self.path, self.app)
        for number, content in enumerate(self.more, start=2):
            check_content(content, str(number))
        if self.app not in APPS:
            raise BadLink("app", f"There is no app {self.app!r}.", f"Known: {', '.join(APPS)}.")
        if self.path and not self.repo:
            raise BadLink(
                "repo",
                "The link has a path, but no content repository.",
                "Add the content repository's address as repo=.",
            )
        if self.more and not self.repo:
            raise BadLink("repo", "The link begins with repo2=.", "Call the first one repo=.")
        check_folders(self.contents)
        if len(self.more) > 8:
            raise BadLink("repo", "The link names more than nine content repositories.")
        if self.only and self.path and not is_inside(self.path, self.only):
            raise BadLink(
                "path",
                f"{self.path!r} is not in {self.only!r}, and students get only that folder.",
                "Name a file in it, from the repository's root.",
            )

    @property
    def contents(self) -> tuple[Content, ...]:
        """All content repositories, the one that is opened first."""
        return (self.first, *self.more) if self.repo else ()

    @property
    def first(self) -> Content:
        return Content(self.repo, self.branch, self.only, self.dir)

    @property
    def opens(self) -> str:
        """What is opened, for people."""
        return self.urlpath or APPS[self.app].label

    def target(self, folder: str) -> str:
        """The address inside the session, relative to its own; `folder` is the content's."""
        if not self.urlpath:
            return APPS[self.app].target(folder, self.path)
        if not self.path:
            return compose_target(self.urlpath)
        inside = "/".join(quote(part, safe="") for part in f"{folder}/{self.path}".split("/"))
        return f"{compose_target(self.urlpath)}/{inside.lstrip('/')}"


@functools.lru_cache(maxsize=ALIKE)
def parse_link(url: str) -> tuple[Link, tuple[str, ...]]:
    """The link that an address or its query string names, and notes on what was passed over.

    :raises BadLink: a part is missing or cannot work; `field` names it.
    """
    url = unmangle(url)
    query = url.split("?", 1)[1] if "?" in url else url
    query = query.split("#", 1)[0]
    given: dict[str, str] = {}
    notes: list[str] = []
    try:
        pairs = read_query(query)
    except ValueError as error:
        raise BadLink("link", "The link is not valid percent-encoded text.") from error
    for key, value in pairs:
        if key in given:
            raise BadLink(key, f"The link names {key} twice.", "Keep one of them.")
        if key in FIELDS or MORE.fullmatch(key):
            given[key] = value.rstrip("/") if key.startswith("dir") else value
        elif not IGNORED_KEYS.fullmatch(key):
            notes.append(f"{key!r} means nothing in a launch link and was ignored.")
    more = further_contents(given)
    env, tag = split_env(given.pop("env", ""))
    if not given.get("app"):
        given.pop("app", None)
    return Link(env=env, tag=tag, more=more, **given), tuple(notes)


def further_contents(given: dict[str, str]) -> tuple[Content, ...]:
    """Take `repo2`, `branch2`, `repo3` ... out of `given`; gaps in the numbers close."""
    found: dict[str, dict[str, str]] = {}
    for key in [key for key in given if MORE.fullmatch(key)]:
        value = given.pop(key)
        if value:
            found.setdefault(key[-1], {"repo": ""})[key[:-1]] = value
    return tuple(Content(**found[number]) for number in sorted(found))


@functools.lru_cache(maxsize=ALIKE)
def compose_link(link: Link, base_url: str) -> str:
    """The link as an address under `base_url`, parts in a fixed order, empty ones left out."""
    fields = {"env": f"{link.env}@{link.tag}" if link.tag else link.env}
    fields |= {name: getattr(link, name) for name in FIELDS[1:] if getattr(link, name)}
    if link.app == "lab":
        del fields["app"]  # what a link without it means
    for number, content in enumerate(link.more, start=2):
        named = {f"{name}{number}": getattr(content, name) for name in OF_CONTENT}
        fields |= {name: value for name, value in named.items() if value}
    return seal(f"{base_url.rstrip('/')}/launch?{urlencode(fields, quote_via=quote, safe='/:@')}")
