"""The page of a session that a link opens: whose app it is, and that it is inside. No I/O here.

Knows nothing of links, so that `link.py` can ask it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NO_PAGES = ("api", "login", "logout", "hub", "git-pull", "git-sync")
"""Addresses of a session that do something, or lead on to somewhere else."""
NO_WORDS = ("token", "next", "redirect", "url")
"""Words of a page's query that hand over a secret, or lead on."""
WORKSPACE = r"(?:lab|doc)/workspaces/[\w.~-]+"
OF_APPS = (
    (re.compile(r"(?:lab|doc)/tree(?:/(.*))?", re.DOTALL), "lab"),
    (re.compile(r"(?:lab|doc)/?()"), "lab"),
    (re.compile(r"(?:retro/)?(?:tree|notebooks|edit|view)(?:/(.*))?", re.DOTALL), "notebook"),
    (re.compile(r"retro/?()"), "notebook"),
    (re.compile(r"rstudio(?:/.*)?()", re.DOTALL), "rstudio"),
    (re.compile(r"(?:vscode|code-server)(?:/.*)?()", re.DOTALL), "vscode"),
    (re.compile(r"terminals(?:/.*)?()", re.DOTALL), "terminal"),
)
"""What each app of ours opens, with the file in it."""
OF_FILES = (
    rf"{WORKSPACE}/tree",
    r"nbclassic/(?:tree|notebooks|edit)",
    r"voila/render",
    r"shiny",
)
WITH_FILE = re.compile(rf"({'|'.join(OF_FILES)})/+(.+)|(apps)/+(.+\.ipynb)", re.DOTALL)
"""Pages of other programs whose address ends in a file or folder of the content."""
ASIDE = re.compile(r"\?(reset|autodecode)(=[^?]*)?$")
"""Words to JupyterLab behind a path."""


def read_target(target: str) -> tuple[str, str, str]:
    """App, page and file: the page is empty where an app of ours opens it.

    With a file, `<page>/<folder><file>` is the whole; without one, the page as it is.

    :raises UnicodeDecodeError: it is not percent-encoded UTF-8.
    """
    text = unquote(ASIDE.sub("", target), errors="strict").lstrip("/")
    for shape, app in OF_APPS:
        found = shape.fullmatch(text)
        if found:
            return app, "", (found[1] or "").lstrip("/")
    found = WITH_FILE.fullmatch(text)
    if found and "?" not in target:
        return "lab", found[1] or found[3], found[2] or found[4]
    return "lab", target.lstrip("/"), ""


def opens_file(page: str, path: str) -> bool:
    """Whether the file's path may follow the page's address."""
    found = WITH_FILE.fullmatch(f"{page}/{path}")
    return found is not None and (found[1] or found[3], found[2] or found[4]) == (page, path)


def compose_target(page: str) -> str:
    """The page as part of an address: what is escaped in it already stays as it is."""
    return quote(page, safe="/?&=%:@!$'()*+,;~-._[]|")


def why_outside(target: str) -> str:
    """Why a browser could read it as another address than one inside the session; or empty.

    Looked at as it is and however often something on the way unescapes it.
    """
    text, before = target, ""
    while text != before:
        why = why_plain_outside(text)
        if why:
            return why
        text, before = unquote(text), text
    return ""


def why_plain_outside(text: str) -> str:
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "holds a control character"
    if "\\" in path:
        return "holds a backslash"
    if SCHEME.match(path.lstrip(" /")) or path.lstrip().startswith("//"):
        return "leads to another site"
    if ".." in path.split("/"):
        return "leads out of the session"
    return ""


def why_no_page(page: str) -> str:
    """Why a link may not open this page, which is stricter than being inside; or empty."""
    why = why_outside(page)
    if why:
        return why
    if "#" in page:
        return "holds a #"
    text, before = page, ""
    while text != before:
        path, _, query = text.partition("?")
        if text.startswith("/"):
            return "begins with a slash"
        if "//" in text or "\\" in text or {".", ".."} & set(re.split(r"[/?&=;]", text)):
            return "holds //, a backslash or a dot that stands alone"
        if re.search(r"(^|[/?&=;])\s*[a-z][a-z0-9+.-]*:", query, re.IGNORECASE):
            return "leads to another site"
        words = {name.strip().lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
        if words & set(NO_WORDS):
            return f"hands over {', '.join(sorted(words & set(NO_WORDS)))}"
        if path.lstrip("/").split("/")[0].lower() in NO_PAGES:
            return "is no page that opens something"
        text, before = unquote(text), text
    return ""
