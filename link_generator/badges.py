"""A link as a picture to click, in the markups of READMEs and web pages. No I/O here."""

from __future__ import annotations

from html import escape

import segno

MARKUPS = {"markdown": "Markdown", "html": "HTML", "rst": "reStructuredText"}


def compose_badges(url: str, picture: str) -> dict[str, str]:
    """The same badge in each markup; a link of ours needs no escape in markdown and rst."""
    return {
        "markdown": f"[![Launch]({picture})]({url})",
        "html": f'<a href="{escape(url)}"><img src="{escape(picture)}" alt="Launch"></a>',
        "rst": f".. image:: {picture}\n   :target: {url}\n   :alt: Launch",
    }


def qr_picture(url: str) -> str:
    """The address as an SVG file that phones read.

    :raises segno.DataOverflowError: it is too long for one.
    """
    picture: str = segno.make(url, micro=False).svg_inline(scale=4, border=4, light="#ffffff")
    header = '<?xml version="1.0" encoding="utf-8"?>'
    return header + picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
