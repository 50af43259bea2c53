"""Links as mail, chat, HTML and markdown give them back: what those put around or into them.

No I/O here. `seal` keeps what we write apart from what others add.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode

LONGEST = 8000
"""Characters of an address; longer ones are left as they are, for whoever refuses them."""
WRAPPED = (
    re.compile(r"""<a\s[^>]{0,200}href\s*=\s*["']([^"']+)["']""", re.IGNORECASE),
    re.compile(r":target:\s*(\S+)"),  # reStructuredText
)
TWICE = re.compile(r"[\w.+-]*%(3A|2F|40)", re.IGNORECASE)
"""How an address or environment begins that was percent-encoded once more than it should be."""


def unmangle(text: str) -> str:
    """The address in a text that was pasted, without what stands around it."""
    text = text.strip()
    if len(text) > LONGEST:
        return text
    if text.endswith(")") and "](" in text:  # markdown, also a badge
        text = text[text.rindex("](") + 2 : -1].strip(" <>")
    for wrapped in WRAPPED:
        found = wrapped.search(text)
        if found:
            text = found[1]
    text = re.sub(r"&(?:amp;)+", "&", text)
    text = text.lstrip("<([\"'")
    while text and (text[-1] in ".,;!>\"'" or closes_nothing(text)):
        text = text[:-1]
    if re.match(r"(https?|ssh)%3A", text, re.IGNORECASE):
        text = unquote(text)
    return text


def closes_nothing(text: str) -> bool:
    """Whether the last character is a bracket whose opening one is not in the text."""
    opening = {")": "(", "]": "["}.get(text[-1])
    return opening is not None and text.count(opening) < text.count(text[-1])


def seal(url: str) -> str:
    """`url` so that `unmangle` takes nothing away; a dot is all that percent-encoding leaves."""
    return f"{url[:-1]}%2E" if url.endswith(".") else url


def read_query(query: str) -> list[tuple[str, str]]:
    """Names and values in their order, also where all of it was encoded twice.

    :raises ValueError: no percent-encoded UTF-8, or too many parts.
    """
    if "=" not in query and "%3D" in query.upper():
        query = unquote(query, errors="strict")
    pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    if any(name in ("env", "repo") and TWICE.match(value) for name, value in pairs):
        pairs = [(name, unquote(value, errors="strict")) for name, value in pairs]
    return pairs


def form(pairs: list[tuple[str, str]]) -> str:
    """A query string as browsers write it, which is how other generators write theirs."""
    return urlencode(pairs, safe="*").replace("~", "%7E")
