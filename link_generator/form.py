"""The generator's fields, as typed, pasted or sent, and the links made of them. No I/O here."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from link_generator.addresses import find_address, read_web_address
from link_generator.choices import split_branch
from link_generator.content import OF_CONTENT, content_folder
from link_generator.dialects import DIALECTS, Composed, Draft, Place, compose_in, parse_any
from link_generator.dialects.binder import short_env
from link_generator.dialects.jupyterhub import NO_ENV
from link_generator.dialects.opening import parse_opening
from link_generator.env_part import split_env
from link_generator.errors import BadLink
from link_generator.link import FIELDS, further_contents

FORM = (*FIELDS, "version", "repo2", "branch2", "repo3", "branch3")
"""The form's fields; a link may name more repositories than it has room for."""
NAMED = ("branch", "only", "dir", "path", "urlpath")
"""Fields that a link fills besides repository, environment and app."""
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters without any width."""
Names = Callable[[str], Collection[str]]
"""The branches and tags of a repository, by its address."""
COMMIT = re.compile(r"[0-9a-f]{40}")
OWN = ("launcher", "jupyterbook")
"""Dialects whose links lead to this server if nothing else is said."""


@dataclass(frozen=True)
class Filled:
    """What the fields name, the fields as understood, and what there is to say of them."""

    draft: Draft
    fields: dict[str, str]
    notes: tuple[str, ...]
    read: str = ""
    """One sentence if the repository's field held more than a repository."""

    @property
    def form(self) -> dict[str, str]:
        """The fields as the form shows them: the environment apart from its version."""
        env, version = split_env(self.fields["env"])
        return self.fields | {"env": env, "version": version}


def no_names(_repo: str) -> Collection[str]:
    return ()


def fill(given: Mapping[str, str], *, pasted: bool = False, names: Names = no_names) -> Filled:
    """Read the fields; whatever address or link is in `repo` fills the others.

    What was typed wins over it, unless the address was `pasted` just now. `names` tells a branch
    that has a slash from a folder.

    :raises BadLink: a field that cannot work.
    """
    fields = dict.fromkeys(FORM, "") | {name: plain(value) for name, value in given.items()}
    version = fields.pop("version")
    fields |= {"env": plain_env(fields["env"], names)}
    fields |= {name: fields[name].strip("/") for name in fields if name[:3] in ("dir", "onl")}
    fields |= {"path": fields["path"].lstrip("/")}
    if fields["env"] and version and not split_env(fields["env"])[1]:
        fields["env"] += f"@{version}"
    read = ""
    notes: tuple[str, ...] = ()
    if fields["repo"]:
        found, notes = parse_field(fields["repo"])
        if found.dialect == "address":
            found = with_whole_branch(found, names)
        read, more = take(found, fields, pasted=pasted)
        notes = (*notes, *more)
    if "://" in fields["path"]:
        take_file(fields, names)
    if fields["urlpath"]:
        take_page(fields)
    env, tag = split_env(fields["env"])
    draft = Draft(
        env=env,
        tag=tag,
        repo=fields["repo"],
        branch=fields["branch"],
        only=fields["only"],
        path=fields["path"],
        app=fields["app"] or "lab",
        more=further_contents({**fields}),
        dir=fields["dir"],
        urlpath=fields["urlpath"],
    )
    if env and not tag and "/" in env:
        notes = (*notes, "No tag is named: the link follows the environment's default branch.")
    return Filled(draft, fields, notes, read)


def take_page(fields: dict[str, str]) -> None:
    """A page of the session that was typed, as app, page and file; it counts more than the app."""
    named = (fields["dir"], content_folder(fields["repo"])) if fields["repo"] else ()
    opened, _ = parse_opening(fields["urlpath"], named)
    fields |= {"app": opened.app, "urlpath": opened.urlpath}
    fields["path"] = opened.path or fields["path"]


def plain(text: str) -> str:
    """Without the blanks around it, also those that nobody sees and chat programs put there."""
    return text.strip(f"{string.whitespace}\xa0{UNSEEN}")


def take_file(fields: dict[str, str], names: Names) -> None:
    """The page of a file at its git host, in the field that names the file.

    :raises BadLink: it is in another repository than the content.
    """
    repo, branch, path = find_address(fields["path"])
    found = with_whole_branch(Draft(repo=repo, branch=branch, path=path), names)
    if not found.path or fields["repo"] not in ("", found.repo):
        raise BadLink(
            "path",
            f"{fields['path']!r} is a web address, not a file of the content.",
            "Name the file from the repository's root, for example week1.ipynb, or paste the "
            "address as the content's.",
        )
    fields |= {"repo": found.repo, "path": found.path, "branch": fields["branch"] or found.branch}


def plain_env(text: str, names: Names) -> str:
    """An environment that was pasted as a page of its git host, as address and tag."""
    seen = read_web_address(text)
    if not seen or not seen[1]:
        return text
    repo, tag, path = seen
    if path:
        tag, _ = split_branch(tag, path, names(repo))
    return f"{short_env(repo)}@{tag}"


def with_whole_branch(found: Draft, names: Names) -> Draft:
    """A branch with a slash cannot be told from a folder: those that exist are asked for."""
    if not found.branch or not found.path or COMMIT.fullmatch(found.branch):
        return found
    branch, path = split_branch(found.branch, found.path, names(found.repo))
    return replace(found, branch=branch, path=path)


def parse_field(text: str) -> tuple[Draft, tuple[str, ...]]:
    """Whatever the repository's field holds; all that is wrong with it is wrong there."""
    try:
        found, notes = parse_any(text)
    except BadLink as bad:
        raise BadLink("repo", bad.message, bad.hint) from bad
    return found, tuple(note for note in notes if "names no environment" not in note)


def take(found: Draft, fields: dict[str, str], *, pasted: bool) -> tuple[str, tuple[str, ...]]:
    """Put what was found into the fields; a sentence on what it was, and notes."""
    fields["repo"] = found.repo
    if found.dialect == "address":
        for name in ("branch", "path"):
            if getattr(found, name) and (pasted or not fields[name]):
                fields[name] = getattr(found, name)
        seen = found.branch or found.path
        return ("Repository, branch and file were read from the web address." if seen else ""), ()
    env = f"{found.env}@{found.tag}" if found.tag else found.env
    notes: tuple[str, ...] = ()
    if env and fields["env"] and fields["env"] != env and not pasted:
        notes = (f"The link's environment {env} was not taken, because you named another.",)
    named = {name: getattr(found, name) for name in NAMED} | {"env": env}
    for number, content in enumerate(found.more, start=2):
        named |= {f"{key}{number}": getattr(content, key) for key in OF_CONTENT}
    for name, value in named.items():
        # A link that was pasted is meant as a whole, but for the environment it may lack.
        if (pasted and (value or name != "env")) or not fields.get(name):
            fields[name] = value
    fields["app"] = found.app
    label = DIALECTS[found.dialect].LABEL
    kind = "link of this launcher" if found.dialect == "launcher" else f"{label} link"
    return f"This is a {kind} - we filled in the fields from it.", notes


def write(filled: Filled, dialect: str, place: Place, public_url: str) -> Composed:
    """The link in a dialect.

    :raises BadLink: it has no words for a field.
    """
    if dialect in OWN and not place.host:
        place = replace(place, host=public_url)
    return compose_in(dialect, filled.draft, place)


def write_all(filled: Filled, place: Place, public_url: str) -> dict[str, Composed | BadLink]:
    """The link in every dialect, or why there is none; only hubs lead to `place`."""
    made: dict[str, Composed | BadLink] = {}
    for dialect in DIALECTS:
        try:
            there = place if dialect in ("jupyterhub", "canvas") else Place()
            one = write(filled, dialect, there, public_url)
            made[dialect] = replace(one, notes=tuple(n for n in one.notes if n != NO_ENV))
        except BadLink as bad:
            made[dialect] = bad
    return made
