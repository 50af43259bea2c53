"""A link as a picture to click, in the markups of READMEs and web pages. No I/O here."""

from __future__ import annotations

from html import escape

MARKUPS = {"markdown": "Markdown", "html": "HTML", "rst": "reStructuredText"}


def compose_badges(url: str, picture: str) -> dict[str, str]:
    """The same badge in each markup; a link of ours needs no escape in markdown and rst."""
    return {
        "markdown": f"[![Launch]({picture})]({url})",
        "html": f'<a href="{escape(url)}"><img src="{escape(picture)}" alt="Launch"></a>',
        "rst": f".. image:: {picture}\n   :target: {url}\n   :alt: Launch",
    }
