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
PLACES = Table(
    "places",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("student", Text, nullable=False),
    Column("course", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("joined", Float, nullable=False),
    Index("places_of", "student", "course", unique=True),
    sqlite_autoincrement=True,
)
CLASSES = Table(
    "classes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("env", Text, nullable=False),
    Column("students", Integer, nullable=False),
    Column("starts", Float, nullable=False),
    Column("lasts", Float, nullable=False),
    Column("repo", Text, nullable=False),
    Column("branch", Text, nullable=False),
    sqlite_autoincrement=True,
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
