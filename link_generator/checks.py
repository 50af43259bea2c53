"""What each part of a link may hold: `check_x` refuses it with the way out. No I/O here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from link_generator.content import OF_CONTENT, Content, content_folders, is_inside
from link_generator.env_part import NAME, env_address, env_image, is_ssh, split_env
from link_generator.errors import BadLink
from link_generator.target import opens_file, read_target, why_no_page, why_outside

LONGEST = 2000
"""Characters of one field; git hosts and browsers refuse longer addresses anyway."""
INSIDE = "Name a file or page inside the session, for example lab/tree/week1.ipynb."


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


def check_tag(tag: str) -> None:
    """Of a repository what git allows, of an image its digest or another tag."""
    if tag.startswith("sha256:"):
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", tag):
            raise BadLink("env", f"{tag!r} is not a digest.", "Copy all of it from the registry.")
        return
    check_ref("env", tag)


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
    if re.search(r"\s|\\", address):
        raise BadLink(field, f"{address!r} is not a git address.", way_out)
    if re.search(r"%2f|%5c", path, re.IGNORECASE) or {".", ".."} & set(unquote(path).split("/")):
        raise BadLink(field, f"{address!r} can be read in more than one way.", way_out)


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


def check_folders(contents: Sequence[Content]) -> None:
    """Refuse content in the folder of other content, where a pull of the one meets the other."""
    named = zip(content_folders(contents), contents, itertools.count(1))
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
