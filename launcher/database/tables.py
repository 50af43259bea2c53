"""The tables as they are now. How they came to be so is in `migrations/versions/`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

METADATA = MetaData()

USERS = Table(
    "users",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("added", Float, nullable=False),
)
SHORT_LINKS = Table(
    "short_links",
    METADATA,
    Column("slug", Text, primary_key=True),
    Column("link", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("opens", Float, nullable=False),
    Column("closes", Float, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("owner", Text, ForeignKey("users.name", ondelete="SET NULL")),
)
SHORT_LINK_CHANGES = Table(
    "short_link_changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, ForeignKey("short_links.slug", ondelete="CASCADE"), nullable=False),
    Column("at", Float, nullable=False),
    Column("what", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("who", Text, nullable=False),
    Index("short_link_changes_of", "slug"),
)
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("course", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float, nullable=False),
    Column("why", Text, nullable=False),
    Index("sessions_of", "owner"),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
