"""Links of mybinder.org or any BinderHub: `/v2/<provider>/<spec>?urlpath=...`. No I/O here.

Content of its own is pulled by nbgitpuller (`urlpath=git-pull?...`); without it, the one repository
is environment and content, both at the same commit.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote

from link_generator.addresses import plain_address
from link_generator.binder_spec import ARCHIVES, PROVIDERS, compose_spec, parse_spec
from link_generator.dialects.draft import Draft, refuse_extras
from link_generator.dialects.gitpull import compose_pull, parse_pull, pull_of, read_pull
from link_generator.dialects.opening import Opening, compose_opening, parse_opening
from link_generator.dialects.place import Composed, Place, address
from link_generator.env_part import env_address, env_image
from link_generator.errors import BadLink
from link_generator.mangled import form

LABEL = "Binder"
HOST = "https://mybinder.org"
LAUNCH = re.compile(rf".*?/v2/({'|'.join((*PROVIDERS, *ARCHIVES))})(?:/(.*))?")
LEGACY = re.compile(r"/repo/([^/]+)/([^/]+)(?:/(.*))?")
PULL = re.compile(r"/?git-(?:pull|sync)/?(?:\?|%3F)(.*)", re.IGNORECASE | re.DOTALL)
SHORT = {"https://github.com/": "gh/", "https://gitlab.com/": "gl/"}


def compose(draft: Draft, place: Place) -> Composed:
    """:raises BadLink: Binder cannot do it; `field` names the part."""
    refuse_extras(draft, LABEL)
    repository = environment_address(draft)
    spec = compose_spec(repository, draft.tag)
    notes: tuple[str, ...] = ()
    one = (plain_address(draft.repo), draft.branch) == (repository, draft.tag)
    if draft.repo and (not one or draft.dir):
        pull, notes = pull_of(draft, LABEL)
        opened = f"git-pull?{compose_pull(pull)}"
    else:
        opened, notes = compose_opening(draft, "")
        if not draft.repo:
            notes = (*notes, "On Binder, students see the files of the environment's repository.")
    query = form([("urlpath", opened)])
    return Composed(address(place.base(HOST), f"/v2/{spec}", query), notes)


def environment_address(draft: Draft) -> str:
    """The git address of the environment, in the form that is read back from a spec."""
    draft.link()  # says so if there is none
    if env_image(draft.env):
        raise BadLink(
            "env",
            "Binder builds environments from repositories; it cannot open an image.",
            "Put a Dockerfile that begins with the image into a repository, and use that.",
        )
    repository = env_address(draft.env)
    if not repository:
        raise BadLink(
            "env",
            f"{draft.env!r} is a name of this server's catalogue; Binder does not know it.",
            "Use the environment's git address.",
        )
    return plain_address(repository)


def parse(parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
    found = LAUNCH.fullmatch(parts.path)
    if found:
        repository, ref = parse_spec(found[1], found[2] or "")
        return parse_launch(repository, ref, parts.query)
    old = LEGACY.fullmatch(parts.path.rstrip("/")) if "binder" in parts.netloc else None
    if old:
        repository, ref = parse_spec("gh", f"{old[1]}/{old[2]}/HEAD")
        opened, notes = parse_opening(unquote(old[3] or ""), ())
        return draft_of(repository, ref, opened), notes
    return None


def parse_launch(repository: str, ref: str, query: str) -> tuple[Draft, tuple[str, ...]]:
    """The draft of a spec's repository and the query behind it, and notes.

    :raises BadLink: the file or the pull in it cannot work.
    """
    pairs = read_pull(query)
    at, inner = next(
        (
            (number, PULL.fullmatch(value))
            for number, (name, value) in enumerate(pairs)
            if name == "urlpath" and PULL.fullmatch(value)
        ),
        (0, None),
    )
    if inner:
        # Where nobody escaped the inner query, its parts follow as the outer one's.
        content, notes = parse_pull([*read_nested(inner[0], inner[1]), *pairs[at + 1 :]])
        whole = draft_of(repository, ref, Opening())
        return (
            Draft(
                env=whole.env,
                tag=whole.tag,
                repo=content.repo,
                branch=content.branch,
                path=content.path,
                app=content.app,
                dir=content.dir,
                urlpath=content.urlpath,
                dialect="binder",
            ),
            notes,
        )
    given = dict(reversed(pairs))
    for name, before in (("labpath", "lab/tree/"), ("filepath", "tree/"), ("urlpath", "")):
        if given.get(name):
            opened = before + given[name].lstrip("/")
            found, notes = parse_opening(opened.rstrip("/") if before else opened, ())
            return draft_of(repository, ref, found), notes
    return draft_of(repository, ref, Opening()), ()


def read_nested(whole: str, query: str) -> list[tuple[str, str]]:
    """The inner query; encoded once more where its question mark still is."""
    try:
        return read_pull(query if "?" in whole else unquote(query, errors="strict"))
    except UnicodeDecodeError as error:
        raise BadLink("link", "The link is not valid percent-encoded text.") from error


def draft_of(repository: str, ref: str, opened: Opening) -> Draft:
    """One repository as environment and content."""
    return Draft(
        env=short_env(repository),
        tag=ref,
        repo=repository,
        branch=ref,
        path=opened.path,
        app=opened.app,
        urlpath=opened.urlpath,
        dialect="binder",
    )


def short_env(repository: str) -> str:
    for start, short in SHORT.items():
        if repository.startswith(start):
            return short + repository.removeprefix(start)
    return repository
