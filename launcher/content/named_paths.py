"""The file and the folders that a link names: whether the content has them, else what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from launcher.content.mirror import Mirrors
from launcher.content.upstream import Upstream
from launcher.errors import PathNotFound
from link_generator.content import Content, is_inside
from link_generator.link import Link


def check_paths(link: Link, sources: Sequence[Upstream], mirrors: Mirrors) -> None:
    """Refuse a link whose file or folder is not in the content.

    :raises PathNotFound: with the nearest paths that exist.
    """
    for content, source in zip(link.contents, sources, strict=True):
        if content.only:
            check_path(content, content.only, source, mirrors, field="only")
    if link.path:
        check_path(link.contents[0], link.path, sources[0], mirrors, field="path")


def check_path(
    content: Content, path: str, source: Upstream, mirrors: Mirrors, *, field: str
) -> None:
    """Refuse a path that the content lacks; `field` is the link's, `path` or `only` (a folder).

    :raises PathNotFound: with the nearest paths that exist.
    """
    if mirrors.listing.has_path(source, path, folder=field == "only"):
        return
    files = mirrors.listing.files(source)
    known = files if field == "path" else sorted({file.rpartition("/")[0] for file in files} - {""})
    near = nearest_paths(path, [one for one in known if is_inside(one, content.only or one)])
    way = f"Did you mean {near[0]!r}?" if near else "Open the folder instead."
    what = "" if field == "path" else "a folder "
    raise PathNotFound(
        f"{path!r} is not {what}in the course files at {source.ref} ({source.commit[:7]}).",
        hint=f"{source.stale_note}. {way}" if source.stale else way,
        near=near,
        field=field,
    )


def nearest_paths(path: str, files: list[str]) -> list[str]:
    """Up to three files with a similar path, or the same name in another folder."""
    by_path = difflib.get_close_matches(path, files, n=3, cutoff=0.6)
    name = path.rsplit("/", 1)[-1]
    same_name = [file for file in files if file.rsplit("/", 1)[-1] == name]
    return list(dict.fromkeys([*same_name, *by_path]))[:3]
