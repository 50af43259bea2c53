"""Addresses of repositories, files and folders at git hosts, as people copy them. No I/O here."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from link_generator.checks import LONGEST
from link_generator.env_part import SHORT_HOSTS, is_ssh

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
    # SourceHut
    re.compile(r"/(?P<repo>~[^/]+/[^/]+)/(?:tree|blob)/(?P<ref>[^/]+)(?:/(?:item/)?(?P<path>.*))?"),
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
    r"(?:/raw/(?:[0-9a-f]{40}/)?(?P<path>[^/]+)|/(?P<file>[^/]+\.ipynb)|/.*)?"
)
VIEWERS = {
    "nbviewer.org": "",
    "nbviewer.jupyter.org": "",
    "colab.research.google.com": "",
    "studiolab.sagemaker.aws": "/import",
}
"""Sites that show a notebook of a host, whose name follows what is here."""
HOSTS_SHOWN = {"github": "github.com", "gist": "gist.github.com"}
GENERATORS = ("nbgitpuller.readthedocs.io", "nbgitpuller.link")
"""Pages that make links, with their fields in the address."""
COMMAND = re.compile(r"(?:git\s+clone|gh\s+repo\s+clone)\s+(?P<words>.+)", re.DOTALL)
USER = re.compile(r"(https://)(?:([\w.-]{1,30})@)((?:bitbucket\.org|dev\.azure\.com)/([^/]+)/.+)")
"""What the clone buttons of these hosts give to somebody who is signed in."""


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
    if host in GENERATORS:
        return read_generator(parts)
    shown = find_shown(host, parts)
    if shown:
        return read_web_address(shown) or (repository_page(plain_address(shown)), "", "")
    if host in ("dev.azure.com",) or host.endswith(".visualstudio.com"):
        return read_azure(parts)
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
    return repo, "", unquote(found["path"] or found["file"] or "")


def find_shown(host: str, parts: SplitResult) -> str:
    """The address at a git host that a viewer of notebooks, a copy or an editor shows; or empty."""
    path = parts.path
    if host in VIEWERS and path.startswith(f"{VIEWERS[host]}/"):
        kind, _, rest = path.removeprefix(f"{VIEWERS[host]}/").partition("/")
        if kind in HOSTS_SHOWN:
            return f"https://{HOSTS_SHOWN[kind]}/{rest}"
        return f"https://{rest}" if kind == "urls" else f"http://{rest}" if kind == "url" else ""
    if host == "github.dev":
        return f"https://github.com{path}"
    if host == "github.com" and path.startswith("/codespaces/new/"):
        return f"https://github.com/{path.removeprefix('/codespaces/new/')}"
    copied = re.fullmatch(r"/gh/([^/@]+/[^/@]+)@([^/]+)/(.+)", path)
    if host == "cdn.jsdelivr.net" and copied:
        return f"https://github.com/{copied[1]}/blob/{copied[2]}/{copied[3]}"
    return parse_qs(parts.query).get("src", [""])[0] if host.endswith("kaggle.com") else ""


def read_azure(parts: SplitResult) -> tuple[str, str, str] | None:
    """Azure DevOps, which has branch (`GB...`), tag (`GT...`) and path in the query."""
    if "/_git/" not in parts.path:
        return None
    query = parse_qs(parts.query)
    version = query.get("version", [""])[0]
    ref = version[2:] if version[:2] in ("GB", "GT", "GC") else ""
    repo = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return repo, ref, query.get("path", [""])[0].strip("/")


def read_generator(parts: SplitResult) -> tuple[str, str, str] | None:
    """The content of nbgitpuller's own page."""
    query = parse_qs(parts.query)
    kind = "content-" if "content-repo" in query else ""
    repo = query.get(f"{kind}repo", [""])[0]
    branch = query.get(f"{kind}branch", [""])[0]
    return (plain_address(repo), branch, "") if repo else None


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
    text, branch = read_command(text.strip())
    text = USER.sub(r"\1\3", re.sub(r"^git\+(?=https?://|ssh://)", "", text))
    if text.startswith(tuple(f"git://{host}/" for host in HOSTS)):
        text = f"https{text.removeprefix('git')}"
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
    return repository_page(plain_address(text)), branch, ""


def read_command(text: str) -> tuple[str, str]:
    """The address in a command that clones it, and the branch that it names."""
    found = COMMAND.fullmatch(text)
    if not found:
        return text, ""
    words = found["words"].split()
    branch = ""
    for option, value in pairwise(words):
        branch = value if option in ("-b", "--branch") else branch
    for word in words:
        if "/" in word and word != branch and not word.startswith("-"):
            short = re.fullmatch(r"[\w.-]+/[\w.-]+", word) and text.startswith("gh")
            return (f"{SHORT_HOSTS['gh']}{word}" if short else word), branch
    return text, ""


def repository_page(address: str) -> str:
    """The repository of another page of it (issues, wiki ...)."""
    found = re.match(
        r"(https://(?:github\.com|codeberg\.org|bitbucket\.org)/[^/]+/[^/]+)/", address
    )
    return plain_address(found[1]) if found else address
