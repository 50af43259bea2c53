"""The one definition of a launch link: what it names, how it reads, how it is written. No I/O here.

`parse_link` and `compose_link` are inverses: flat query, one level of percent-encoding, any order.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from link_generator.mangled import read_query, seal, unmangle
from link_generator.target import (
    compose_target,
    opens_file,
    read_target,
    why_no_page,
    why_outside,
)

FIELDS = ("env", "repo", "branch", "only", "dir", "path", "app", "urlpath")
OF_CONTENT = ("repo", "branch", "only", "dir")
MORE = re.compile(rf"({'|'.join(OF_CONTENT)})([2-9])")
"""Keys of further content repositories: repo2, branch2, only2, dir2, repo3 ..."""
LONGEST = 2000
"""Characters of one field; git hosts and browsers refuse longer addresses anyway."""
PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"docker:((?:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?/)?{PART}(?:/{PART})*)"
    r"(?::([A-Za-z0-9_][\w.-]{0,127}))?"
)
"""An image that exists already, as `docker pull` names it: https://github.com/distribution/reference"""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a catalogue may call an environment, so that links can."""
SHORT_HOSTS = {"gh": "https://github.com/", "gl": "https://gitlab.com/"}
INSIDE = "Name a file or page inside the session, for example lab/tree/week1.ipynb."
IGNORED_KEYS = re.compile(r"utm_.*|fbclid|gclid")
"""Added by mail and chat programs on the way; not worth a note."""


class BadLink(ValueError):
    """A link that cannot work; `field` is the part to mend and `hint` the way out."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class App:
    """A program that opens the content, and where it lives inside a session."""

    label: str
    opens: str
    """Path in the session before the file's; for programs that open no file, all of it."""
    files: bool = True
    everywhere: bool = True
    """False for programs that only some images bring; the page does not offer those by itself."""

    def target(self, folder: str, path: str) -> str:
        """The address inside the session, relative to the session's own; cannot leave it."""
        if not self.files:
            return self.opens
        parts = [part for part in f"{folder}/{path}".split("/") if part]
        opens = self.opens
        if opens == "notebooks" and not path.endswith(".ipynb"):
            opens = "tree"
        return "/".join([opens, *(quote(part, safe="") for part in parts)])


APPS = {
    "lab": App("JupyterLab", "lab/tree"),
    "notebook": App("Notebook", "notebooks"),
    "terminal": App("Terminal", "terminals/1", files=False),
    "rstudio": App("RStudio", "rstudio/", files=False, everywhere=False),
    "vscode": App("VS Code", "vscode/", files=False, everywhere=False),
}


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
        check_tag(self.env, self.tag)
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
        check_folders(self)
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


def is_inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


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


def split_env(text: str) -> tuple[str, str]:
    """`<env>@<tag>` as its two parts.

    The tag begins after the first @ that follows the address's host, so a tag may hold @ and an
    address may name an ssh user; an @ in an address's path is written %40.
    """
    start = 0
    ssh = re.match(r"(git/)?(ssh://[^/@]*@|[\w.-]+@[\w.-]+:)", text)
    if ssh:
        start = ssh.end()
    elif re.match(r"(git/)?https?://", text):
        slash = text.find("/", text.index("://") + 3)
        start = slash if slash >= 0 else len(text)
    at = text.find("@", start)
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def env_image(env: str) -> tuple[str, str] | None:
    """Name and tag of an image that exists already, `latest` where it names none; else None."""
    found = IMAGE.fullmatch(env)
    return (f"docker:{found[1]}", found[2] or "latest") if found else None


def env_address(env: str) -> str:
    """The git address that `env` stands for; empty for a name from the catalogue."""
    head, _, rest = env.partition("/")
    if head in SHORT_HOSTS and rest:
        return SHORT_HOSTS[head] + rest
    if head == "git" and rest:
        return rest
    return env if is_address(env) else ""


def content_folders(link: Link) -> tuple[str, ...]:
    """The folder of each content repository, as far as the link alone can say."""
    found: list[str] = [content.dir for content in link.contents]
    for at, content in enumerate(link.contents):
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


def is_address(text: str) -> bool:
    return "://" in text or is_ssh(text)


def is_ssh(text: str) -> bool:
    return text.startswith("ssh://") or bool(re.match(r"[\w.-]+@[\w.-]+:", text))


def check_text(field: str, value: str) -> None:
    """Refuse what no address, ref or path can hold."""
    if len(value) > LONGEST:
        raise BadLink(field, f"The {field} is longer than {LONGEST} characters.")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value):
        raise BadLink(field, f"The {field} holds a control character.", "Type it again by hand.")
    if value != value.strip():
        raise BadLink(field, f"The {field} begins or ends with a blank.", "Remove it.")


def check_env(env: str) -> None:
    if not env:
        raise BadLink(
            "env",
            "The link names no environment.",
            "Add env=<address>@<tag>, for example env=gh/org/repo@v1.",
        )
    if env.startswith("docker:"):
        if not env_image(env):
            raise BadLink(
                "env",
                f"{env!r} does not name an image.",
                "Write it as docker pull does, for example docker:quay.io/org/image:2025.1.",
            )
        return
    address = env_address(env)
    if address:
        check_address("env", address)
        if split_env(env) != (env, ""):
            raise BadLink("env", "The environment's address holds an @.", "Write it as %40.")
    elif not NAME.fullmatch(env):
        raise BadLink(
            "env",
            f"{env!r} is neither an address nor the name of an environment.",
            "Use https://..., gh/org/repo, gl/group/repo or a name from the catalogue.",
        )


def check_address(field: str, address: str) -> None:
    """Refuse what is no git address that everybody with the link may use."""
    way_out = "Use the https:// address that the repository's clone button gives."
    if "://" not in address and is_ssh(address):
        host, _, path = address.partition("@")[2].partition(":")
    else:
        try:
            parts = urlsplit(address)
            host, path = parts.hostname or "", parts.path
            _ = parts.port
        except ValueError as error:
            raise BadLink(field, f"{address!r} is not a git address.", way_out) from error
        if parts.scheme not in ("https", "http", "ssh"):
            raise BadLink(field, f"{address!r} is not an https or ssh address.", way_out)
        if parts.password or (parts.username is not None and parts.scheme != "ssh"):
            raise BadLink(
                field,
                "The address holds a user name or password.",
                "Remove everything between // and @: links are shared with everybody.",
            )
        if parts.query or parts.fragment or "?" in address or "#" in address:
            raise BadLink(field, "The address holds a ? or #.", way_out)
    if not host or host.startswith("-") or not path.strip("/") or path.startswith("-"):
        raise BadLink(field, f"{address!r} names no repository.", way_out)
    if re.search(r"\s|\\", address) or "/../" in f"{path}/":
        raise BadLink(field, f"{address!r} is not a git address.", way_out)


def check_content(content: Content, number: str) -> None:
    """Refuse a content repository that cannot work; `number` is what its keys end with."""
    for name in OF_CONTENT:
        value = getattr(content, name)
        check_text(f"{name}{number}", value)
        if value and not content.repo:
            raise BadLink(
                f"repo{number}",
                f"The link has a {name}{number}, but no content repository for it.",
                f"Add the content repository's address as repo{number}=.",
            )
    if content.repo:
        check_address(f"repo{number}", content.repo)
    elif number:
        raise BadLink(f"repo{number}", f"repo{number} is empty.", "Name a repository or drop it.")
    check_ref(f"branch{number}", content.branch)
    check_path(f"only{number}", content.only)
    check_dir(f"dir{number}", content.dir)


def check_dir(field: str, folder: str) -> None:
    """Refuse a folder that is not plainly one of the student's own."""
    parts = folder.split("/") if folder else []
    if "\\" in folder or any(part[:1] in (".", "-") or part != part.strip() for part in parts):
        raise BadLink(
            field,
            f"{folder!r} cannot be the content's folder.",
            "Name a folder that begins with a letter or a digit, for example course/week1.",
        )
    if "" in parts:
        raise BadLink(
            field, f"{folder!r} is not in the student's home.", "Remove needless slashes."
        )
    if len(parts) > 5 or any(len(part.encode()) > 100 for part in parts):
        raise BadLink(field, f"{folder!r} is too long.", "Shorten it.")
    if not folder.isprintable():
        raise BadLink(field, f"The {field} holds a character that is not shown.", "Type it again.")


def check_folders(link: Link) -> None:
    """Refuse content in the folder of other content, where a pull of the one meets the other."""
    named = zip(content_folders(link), link.contents, itertools.count(1))
    for (folder, _, first), (other, content, number) in itertools.combinations(named, 2):
        if is_inside(folder, other) or is_inside(other, folder):
            at = number if content.dir else first
            raise BadLink(
                f"dir{at if at > 1 else ''}",
                f"Two contents of the link would be in one folder: {folder!r} and {other!r}.",
                "Give each content repository a folder of its own.",
            )


def check_urlpath(page: str, path: str, app: str) -> None:
    """Refuse a page that is not inside the session, or that an app or a file names better."""
    if not page:
        return
    why = why_no_page(page)
    if why:
        raise BadLink("urlpath", f"The link's urlpath {why}: {page[:200]!r}.", INSIDE)
    try:
        plain = read_target(page) == ("lab", page, "")
    except UnicodeDecodeError as error:
        raise BadLink("urlpath", f"{page!r} is no valid percent-encoded text.", INSIDE) from error
    if not plain:
        raise BadLink("urlpath", f"{page!r} is an app's or a file's.", "Name app= and path= alone.")
    if app != "lab":
        raise BadLink("urlpath", "The link names an app and a page of its own.", "Drop one.")
    if path and not opens_file(page, path):
        raise BadLink("path", f"{page!r} opens no file of the content.", "Leave path= out.")


def check_target(field: str, target: str) -> None:
    """Refuse what a browser could read as another address than one inside the session."""
    why = why_outside(target)
    if why:
        raise BadLink(field, f"The link's {field} {why}: {target[:200]!r}.", INSIDE)


def check_tag(env: str, tag: str) -> None:
    """Of a repository what git allows, of an image its digest or another tag."""
    if tag.startswith("sha256:"):
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", tag):
            raise BadLink("env", f"{tag!r} is not a digest.", "Copy all of it from the registry.")
        return
    check_ref("env", tag)


def check_ref(field: str, ref: str) -> None:
    """Git's own rules for names of tags and branches, as `git check-ref-format` has them."""
    if not ref:
        return
    bad = re.search(r"^[-/]|\.\.|@\{|[\x00-\x20\x7f~^:?*\[\\]|//|/$|\.$|\.lock(/|$)|(^|/)\.", ref)
    if bad or ref == "@":
        name = "tag" if field == "env" else field
        raise BadLink(field, f"{ref!r} cannot be a {name}.", "Copy its name from the git host.")


def check_path(field: str, path: str) -> None:
    """Refuse a path that is not inside the content."""
    if not path:
        return
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise BadLink(field, f"{path!r} is not a path inside the content.", "Begin at its root.")
    if "//" in path or "." in path.split("/"):
        raise BadLink(field, f"{path!r} is not a plain path.", "Remove // and /./ from it.")
