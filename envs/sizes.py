"""Numbers of bytes in words, the same everywhere. No I/O here."""

from __future__ import annotations


def human(size: float) -> str:
    """A number of bytes for people, 1024-based: `384 MB`, `15.0 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
