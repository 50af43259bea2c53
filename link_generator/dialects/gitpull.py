"""nbgitpuller's `git-pull?repo=...&urlpath=...`, which hubs and Binder links carry. No I/O here.

A clone goes into the last part of `repo`, with its `.git`, unless `targetPath` names a folder; so
whatever is opened begins with the one or the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from link_generator.addresses import plain_address
from link_generator.content import content_folder
from link_generator.dialects.draft import Draft, refuse_extras
from link_generator.dialects.opening import Opening, compose_opening, parse_opening
from link_generator.errors import BadLink
from link_generator.link import IGNORED_KEYS
from link_generator.mangled import form, read_query

SAME = {"urlPath": "urlpath", "targetpath": "targetPath", "subpath": "subPath"}
QUIET = ("depth", "_xsrf", "token")
"""Parameters that change nothing of what students see."""


@dataclass(frozen=True)
class GitPull:
    """The parameters of a pull."""

    repo: str
    urlpath: str = ""
    branch: str = ""
    target: str = ""
    """Folder of the clone; empty is the last part of `repo`."""


def compose_pull(pull: GitPull) -> str:
    """The query string, in the order in which nbgitpuller's own page writes it."""
    pairs = [
        ("repo", pull.repo),
        ("urlpath", pull.urlpath),
        ("branch", pull.branch),
        ("targetPath", pull.target),
    ]
    return form([(name, value) for name, value in pairs if value])


def pull_of(draft: Draft, where: str) -> tuple[GitPull, tuple[str, ...]]:
    """The pull that opens a draft's content, and notes.

    :raises BadLink: nbgitpuller cannot do it.
    """
    refuse_extras(draft, where)
    if not draft.repo:
        raise BadLink(
            "repo",
            f"A link for {where} needs a content repository.",
            "Add its address as repo=.",
        )
    repo = plain_address(draft.repo)
    folder = draft.dir or content_folder(repo)
    opened, notes = compose_opening(draft, folder)
    named = draft.dir or folder != clone_folder(repo)
    return GitPull(repo, opened, draft.branch, folder if named else ""), notes


def clone_folder(repo: str) -> str:
    """Where nbgitpuller clones to by itself."""
    return repo.rstrip("/").split("/")[-1]


def read_pull(query: str) -> list[tuple[str, str]]:
    """:raises BadLink: field `link`."""
    try:
        return read_query(query)
    except ValueError as error:
        raise BadLink("link", "The link is not valid percent-encoded text.") from error


def parse_pull(pairs: list[tuple[str, str]]) -> tuple[Draft, tuple[str, ...]]:
    """Content, file and app of a pull, and notes; it knows no environment.

    :raises BadLink: a part is missing or cannot work.
    """
    given: dict[str, str] = {}
    notes: list[str] = []
    for key, value in pairs:
        name = SAME.get(key, key)
        if name in ("repo", "urlpath", "branch", "targetPath", "subPath", "app"):
            given.setdefault(name, value)
        elif name == "backup":
            notes.append("Backups are kept of every pull here: backup= was left out.")
        elif name not in QUIET and not IGNORED_KEYS.fullmatch(name):
            notes.append(f"{name!r} means nothing here and was left out.")
    if not given.get("repo"):
        raise BadLink("repo", "The link names no repository to pull.", "It needs repo=<address>.")
    repo = plain_address(given["repo"])
    folder = content_folder(repo)
    target = given.get("targetPath", "").strip("/")
    opened, more = opened_by(given, (target, clone_folder(given["repo"]), folder))
    branch = given.get("branch", "")
    draft = Draft(
        repo=repo,
        branch="" if branch == "HEAD" else branch,
        path=opened.path,
        app=opened.app,
        dir="" if target == folder else target,
        urlpath=opened.urlpath,
    )
    return draft, (*notes, *more)


def opened_by(given: dict[str, str], folders: tuple[str, ...]) -> tuple[Opening, tuple[str, ...]]:
    """What is opened; `subPath` with `app` is how links said it before there was `urlpath`."""
    if given.get("urlpath"):
        return parse_opening(given["urlpath"], tuple(filter(None, folders)))
    app = "lab" if given.get("app", "lab") in ("lab", "jupyterlab") else "notebook"
    app = "rstudio" if given.get("app") == "rstudio" else app
    return Opening(app, given.get("subPath", "").strip("/")), ()
