"""Addresses of repositories, files and folders at git hosts, as people copy them. No I/O here."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from link_generator.link import LONGEST, SHORT_HOSTS, is_ssh

HOSTS = ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org")
"""Hosts that answer with `.git` and without, so that it can go."""
REF = r"(?:refs/(?:heads|tags)/)?(?P<ref>[^/]+)(?:/(?P<path>.*))?"
OWNED = r"/(?P<repo>[^/]+/[^/]+)"
SHAPES = (
    # GitLab, where `/-/` ends the project's own path, and its older addresses
    re.compile(rf"/(?P<repo>.+?)/-/(?:blob|tree|raw|edit|blame|commits?|tags)/{REF}"),
    re.compile(r"/(?P<repo>.+?)/-/.*(?P<ref>)(?P<path>)"),
    # Gitea and Forgejo; Bitbucket
    re.compile(rf"{OWNED}/(?:src|raw|media|blame|commits)/(?:branch|tag|commit)/{REF}"),
    # GitHub
    re.compile(rf"{OWNED}/(?:blob|tree|raw|edit|blame|commits?|releases/tag)/{REF}"),
)
ELSEWHERE = {
    "raw.githubusercontent.com": re.compile(rf"{OWNED}/{REF}"),
    "bitbucket.org": re.compile(rf"{OWNED}/(?:src|raw)/{REF}"),
    "gitlab.com": re.compile(rf"/(?P<repo>(?!.*/-/).+?/.+?)/(?:blob|tree|raw)/{REF}"),
}
GIST = re.compile(
    r"/(?P<owner>[^/]+)/(?P<id>[0-9a-f]{8,})(?:\.git)?"
    r"(?:/raw/(?:[0-9a-f]{40}/)?(?P<path>[^/]+)|/.*)?"
)
VIEWERS = re.compile(r"/(?:github)(?P<rest>/.+)")
VIEWER_HOSTS = ("nbviewer.org", "nbviewer.jupyter.org", "colab.research.google.com")


def read_web_address(address: str) -> tuple[str, str, str] | None:
    """Repository, branch and path of a page that shows a file or folder; None for others.

    A branch with a slash cannot be told from a folder here: its first part is taken.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if len(address) > LONGEST:
        return None  # is refused later; the shapes below take their time with it
    if parts.scheme not in ("https", "http"):
        return None
    host, path = parts.netloc.lower().removeprefix("www."), parts.path.rstrip("/")
    viewed = VIEWERS.fullmatch(path) if host in VIEWER_HOSTS else None
    if viewed or host == "github.dev":
        host, path = "github.com", viewed["rest"] if viewed else path
    if host in ("gist.github.com", "gist.githubusercontent.com"):
        return read_gist(path)
    for shape in (ELSEWHERE.get(host), *SHAPES):
        found = shape.fullmatch(path) if shape else None
        if found:
            host = "github.com" if host == "raw.githubusercontent.com" else host
            repo = plain_address(f"{parts.scheme}://{host}/{found['repo']}")
            return repo, unquote(found["ref"]), unquote(found["path"] or "")
    return None


def read_gist(path: str) -> tuple[str, str, str] | None:
    """A gist, and the file whose raw form was copied."""
    found = GIST.fullmatch(path)
    if not found:
        return None
    repo = f"https://gist.github.com/{found['owner']}/{found['id']}.git"
    return repo, "", unquote(found["path"] or "")


def plain_address(address: str) -> str:
    """A git address in its one form: no slash at the end, and no `.git` where it may go."""
    address = address.strip().rstrip("/")
    found = re.fullmatch(r"(https?)://(?:www\.)?([^/@]+)(/.+)", address, re.IGNORECASE)
    if not found:
        return address
    host = found[2].lower()
    if host not in HOSTS:
        return f"{found[1].lower()}://{host}{found[3]}"
    return f"https://{host}{found[3].removesuffix('.git')}"


def find_address(text: str) -> tuple[str, str, str]:
    """Repository, branch and path of whatever address; the caller checks that it is one."""
    text = re.sub(r"^git\s+clone\s+", "", text.strip())
    head, _, rest = text.partition("/")
    if head in SHORT_HOSTS and rest:
        text = SHORT_HOSTS[head] + rest
    elif "://" not in text and not is_ssh(text) and "." in head:
        text = f"https://{text}"
    seen = read_web_address(text)
    if seen:
        return seen
    if re.match(r"https?://", text):
        text = text.split("#")[0].split("?")[0]
    return github_page(plain_address(text)), "", ""


def github_page(address: str) -> str:
    """The repository of another page of it (issues, wiki ...)."""
    found = re.match(r"(https://github\.com/[^/]+/[^/]+)/", address)
    return plain_address(found[1]) if found else address
