"""The path in a session that opens a file in an app: `urlpath` of other links. No I/O here."""

from __future__ import annotations

import re
from urllib.parse import unquote

from link_generator.link import APPS, BadLink

FILES = {"lab": "lab/tree/", "notebook": "tree/"}
"""What nbgitpuller's own page writes; `tree/` opens a notebook too, in every Notebook there was."""
HOME = {"lab": "lab", "notebook": "tree"}
KNOWN = (
    (re.compile(r"(?:lab|doc)(?:/workspaces/[^/]+)?/tree(?:/(.*))?"), "lab"),
    (re.compile(r"(?:lab|doc)/?(?:workspaces/[^/]+/?)?()"), "lab"),
    (re.compile(r"(?:retro|nbclassic)?/?(?:tree|notebooks|edit|view)(?:/(.*))?"), "notebook"),
    (re.compile(r"(?:retro|nbclassic)/?()"), "notebook"),
    (re.compile(r"rstudio(?:/.*)?()"), "rstudio"),
    (re.compile(r"(?:vscode|code-server)(?:/.*)?()"), "vscode"),
    (re.compile(r"terminals(?:/.*)?()"), "terminal"),
)
ASIDE = re.compile(r"\?(reset|autodecode)(=[^?]*)?$")
"""Words to JupyterLab behind a path."""


def compose_opening(app: str, folder: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The path in the session, and notes; `folder` is empty where the content is the home folder.

    Plain but for % and #: the server redirects to it as it is, so the browser decodes it once.
    """
    if app not in FILES:
        note = f"{APPS[app].label} opens no file by itself: students open {path} there."
        return APPS[app].opens, ((note,) if path else ())
    inside = f"{folder}/{path}" if folder else path
    note = "nbgitpuller and Binder open no file that has a ? in its name."
    notes = (note,) if "?" in path else ()
    whole = f"{FILES[app]}{inside}" if inside else HOME[app]
    return whole.replace("%", "%25").replace("#", "%23"), notes


def parse_opening(urlpath: str, folders: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """App, path in the content, and notes; `folders` are names that the content's may have.

    :raises BadLink: field `path`.
    """
    try:
        opened = unquote(ASIDE.sub("", urlpath), errors="strict").lstrip("/")
    except UnicodeDecodeError as error:
        raise BadLink("path", "The file's name is not valid percent-encoded text.") from error
    if not opened:
        return "lab", "", ()
    for shape, app in KNOWN:
        found = shape.fullmatch(opened)
        if found:
            path, notes = inside((found[1] or "").lstrip("/"), folders)
            return app, path, notes
    name = opened.split("/")[0]
    return "lab", "", (f"The link opens {name!r}, which is no app here: JupyterLab opens.",)


def inside(path: str, folders: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A path of the home folder as one of the content."""
    if not folders or not path:
        return path, ()
    for folder in folders:
        if f"{path}/".startswith(f"{folder}/"):
            return path[len(folder) + 1 :], ()
    return "", (f"The link opens {path!r}, which is not in the content: its folder opens.",)
