"""A link as HTML for other pages: a button, and a line for a learning platform. No I/O here."""

from __future__ import annotations

from html import escape

from link_generator.dialects.draft import Draft

BUTTON = (
    "display:inline-block;padding:10px 20px;border-radius:8px;background:#0b5cad;color:#ffffff;"
    "font-family:sans-serif;font-weight:600;text-decoration:none"
)


def label_of(draft: Draft) -> str:
    """What the link does, in a few words."""
    name = draft.path.rstrip("/").rsplit("/", 1)[-1]
    return f"Open {name}" if name else "Open the course"


def compose_button(url: str, label: str) -> str:
    """A styled link that needs no stylesheet."""
    return f'<a href="{escape(url)}" style="{BUTTON}">{escape(label)}</a>'


def compose_lms(url: str, label: str) -> str:
    """A link that leaves the platform's frame, in which browsers keep no sign-in."""
    words = f"{escape(label)} (opens in a new tab)"
    return f'<p><a href="{escape(url)}" target="_blank" rel="noopener">{words}</a></p>'
