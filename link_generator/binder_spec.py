"""A repository as Binder names it: `<provider>/<spec>`, as in `/v2/gh/org/repo/ref`. No I/O here.

`parse_spec` and `compose_spec` are inverses, but for addresses with two spellings (`.git`, a
trailing slash), of which the plain one comes back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

from link_generator.checks import check_address, check_ref, check_text
from link_generator.errors import BadLink

DEFAULT = "HEAD"
"""How Binder writes the default branch; here it is the empty ref."""
ARCHIVES = {
    "zenodo": "Zenodo",
    "figshare": "Figshare",
    "dataverse": "Dataverse",
    "hydroshare": "HydroShare",
    "ckan": "CKAN",
}
"""Providers of data sets that are no git repositories."""


def parse_spec(provider: str, raw_spec: str) -> tuple[str, str]:
    """Repository address and ref; the ref is empty for the default branch (`HEAD`).

    `raw_spec` is the path after `/v2/<provider>/` as it was sent: percent-encoded, without query.

    :raises BadLink: field `env`; the hint has the spelling that was probably meant.
    """
    if provider in ARCHIVES:
        raise BadLink(
            "env",
            f"This server does not open archives of {ARCHIVES[provider]}.",
            "Use the git repository that the archive was made from, at its tag.",
        )
    if provider not in PROVIDERS:
        raise BadLink(
            "env", f"There is no provider {provider!r}.", f"Known: {', '.join(PROVIDERS)}."
        )
    address, ref = PROVIDERS[provider](raw_spec.strip("/"))
    check_text("env", address)
    check_text("env", ref)
    check_address("env", address)
    ref = "" if ref == DEFAULT else ref
    check_ref("env", ref)
    return address, ref


def parse_github(spec: str) -> tuple[str, str]:
    owner, name, ref = three_parts("gh", spec)
    return f"https://github.com/{owner}/{plain_name(name)}", ref


def parse_gist(spec: str) -> tuple[str, str]:
    """`user/id` with a commit or without; main and master are what people write for the newest."""
    owner, _, rest = plain_path(spec, slashes=1).partition("/")
    name, _, ref = rest.partition("/")
    if not owner or not re.fullmatch(r"[0-9A-Za-z]+", plain_name(name)):
        raise bad_spec("gist", spec, "gist/<user>/<id>")
    ref = unquote(ref)
    newest = ref in ("", DEFAULT, "main", "master")
    return f"https://gist.github.com/{unquote(owner)}/{plain_name(name)}.git", "" if newest else ref


def parse_git(spec: str) -> tuple[str, str]:
    """The whole address as one escaped part, then the ref."""
    first, _, ref = spec.partition("/")
    address = unquote(first)
    if "%3A" in address.upper() or "%2F" in address.upper():
        address = unquote(address)  # escaped twice on the way
    if not ref or "/" not in address:
        raise bad_spec("git", spec, f"git/{quote(unquote(spec).rstrip('/'), safe='')}/{DEFAULT}")
    return address, unquote(ref)


def parse_gitlab(spec: str) -> tuple[str, str]:
    """`group%2Fsub%2Frepo/ref`; `group/repo/ref` too, because a project always has a group."""
    first, _, ref = spec.partition("/")
    project = unquote(unquote(first))  # once more than needed: no name on GitLab has a %
    if "/" not in project:
        owner, name, ref = three_parts("gl", spec)
        return f"https://gitlab.com/{owner}/{plain_name(name)}", ref
    if not ref:
        raise bad_spec("gl", spec, f"gl/{quote(project, safe='')}/{DEFAULT}")
    return f"https://gitlab.com/{plain_name(project.strip('/'))}", unquote(ref)


PROVIDERS: dict[str, Callable[[str], tuple[str, str]]] = {
    "gh": parse_github,
    "gl": parse_gitlab,
    "git": parse_git,
    "gist": parse_gist,
}


def three_parts(provider: str, spec: str) -> tuple[str, str, str]:
    """Owner, name and ref; only a ref may hold slashes."""
    owner, _, rest = plain_path(spec, slashes=2).partition("/")
    name, _, ref = rest.partition("/")
    if not (owner and plain_name(name) and ref):
        known = f"{owner or '<owner>'}/{plain_name(name) or '<repository>'}"
        raise bad_spec(provider, spec, f"{provider}/{known}/{ref or DEFAULT}")
    return unquote(owner), unquote(name), unquote(ref)


def plain_path(spec: str, *, slashes: int) -> str:
    """The spec, or without its escapes where the slashes themselves were escaped."""
    return spec if spec.count("/") >= slashes else unquote(spec)


def plain_name(name: str) -> str:
    return name.removesuffix(".git")


def bad_spec(provider: str, spec: str, meant: str) -> BadLink:
    return BadLink(
        "env",
        f"{f'{provider}/{unquote(spec)}'!r} does not name a repository and a branch or tag.",
        f'Did you mean "{meant}"?',
    )


def compose_spec(address: str, ref: str) -> str:
    """`gh/org/repo/ref` and its kind; where no provider knows the host, `git/<escaped>/ref`.

    :raises BadLink: field `env`: no git address, or no name of a branch, tag or commit.
    """
    check_address("env", address)
    check_ref("env", ref)
    host, path = known_place(address)
    parts = path.split("/")
    escaped_ref = quote(ref or DEFAULT, safe="/@")
    if host == "github.com" and len(parts) == 2:
        return f"gh/{path}/{escaped_ref}"
    if host == "gitlab.com" and len(parts) >= 2:
        return f"gl/{path.replace('/', '%2F')}/{escaped_ref}"
    if host == "gist.github.com" and len(parts) == 2 and parts[1].isalnum():
        return f"gist/{path}/{escaped_ref}" if ref else f"gist/{path}"
    return f"git/{quote(address, safe='')}/{escaped_ref}"


def known_place(address: str) -> tuple[str, str]:
    """Host and path, without `.git`, of an https address at the host's own port; else empty.

    Only names that need no escapes, so that what was composed is read back as it was.
    """
    if not address.startswith("https://"):
        return "", ""
    place = urlsplit(address)
    path = plain_name(place.path.strip("/"))
    plain = re.fullmatch(r"[\w.-]+(/[\w.-]+)+", path, re.ASCII)
    return (place.netloc.lower(), path) if plain else ("", "")
