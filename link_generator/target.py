"""Whether a place to open, which a link names, is inside the session. No I/O here."""

from __future__ import annotations

import re
from urllib.parse import unquote

from link_generator.link import BadLink

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def check_target(field: str, target: str) -> None:
    """Refuse what a browser could read as another address than one inside the session.

    :raises BadLink: with the name of the field.
    """
    text = target
    for _ in range(4):  # whatever is unescaped on the way
        check_plain(field, text, target)
        text = unquote(text)


def check_plain(field: str, text: str, whole: str) -> None:
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    why = ""
    if re.search(r"[\x00-\x1f\x7f]", text):
        why = "holds a control character"
    elif "\\" in path:
        why = "holds a backslash"
    elif SCHEME.match(path.lstrip(" /")) or path.lstrip().startswith("//"):
        why = "leads to another site"
    elif ".." in path.split("/"):
        why = "leads out of the session"
    if why:
        raise BadLink(
            field,
            f"The link's {field} {why}: {whole[:200]!r}.",
            "Name a file or page inside the session, for example lab/tree/week1.ipynb.",
        )
