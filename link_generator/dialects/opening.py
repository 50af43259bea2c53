"""The path in a session that opens a file in an app: `urlpath` of other links. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass

from link_generator.apps import APPS
from link_generator.dialects.draft import Draft
from link_generator.errors import BadLink
from link_generator.target import read_target

FILES = {"lab": "lab/tree", "notebook": "tree"}
"""What nbgitpuller's own page writes; `tree/` opens a notebook too, in every Notebook there was."""
HOME = {"lab": "lab", "notebook": "tree"}


@dataclass(frozen=True)
class Opening:
    """What is opened: an app of ours or a page of another program, with a file or without."""

    app: str = "lab"
    path: str = ""
    urlpath: str = ""


def compose_opening(draft: Draft, folder: str) -> tuple[str, tuple[str, ...]]:
    """The path in the session, and notes; `folder` is empty where the content is the home folder.

    Plain but for % and #: the server redirects to it as it is, so the browser decodes it once.
    """
    app, path = draft.app, draft.path
    if draft.urlpath and not path:
        return draft.urlpath, ()
    if app not in FILES:
        note = f"{APPS[app].label} opens no file by itself: students open {path} there."
        return APPS[app].opens, ((note,) if path else ())
    inside = f"{folder}/{path}" if folder else path
    note = "nbgitpuller and Binder open no file that has a ? in its name or its folder's."
    notes = (note,) if "?" in inside else ()
    inside = inside.replace("%", "%25").replace("#", "%23")
    return f"{draft.urlpath or FILES[app]}/{inside}" if inside else HOME[app], notes


def parse_opening(urlpath: str, folders: tuple[str, ...]) -> tuple[Opening, tuple[str, ...]]:
    """What it opens, and notes; `folders` are names that the content's may have.

    :raises BadLink: field `path`.
    """
    try:
        app, page, file = read_target(urlpath)
    except UnicodeDecodeError as error:
        raise BadLink("path", "The file's name is not valid percent-encoded text.") from error
    path, notes = inside(file, folders)
    return Opening(app, path, page), notes


def inside(path: str, folders: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A path of the home folder as one of the content."""
    if not folders or not path:
        return path, ()
    for folder in filter(None, folders):
        if f"{path}/".startswith(f"{folder}/"):
            return path[len(folder) + 1 :], ()
    return "", (f"The link opens {path!r}, which is not in the content: its folder opens.",)
