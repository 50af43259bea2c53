"""The first tables; takes over the files in which short links and sessions were kept before."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("added", sa.Float, nullable=False),
    )
    links = op.create_table(
        "short_links",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("opens", sa.Float, nullable=False),
        sa.Column("closes", sa.Float, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("owner", sa.Text, sa.ForeignKey("users.name", ondelete="SET NULL")),
    )
    changes = op.create_table(
        "short_link_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "slug",
            sa.Text,
            sa.ForeignKey("short_links.slug", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
    )
    op.create_index("short_link_changes_of", "short_link_changes", ["slug"])
    sessions = op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("course", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("sessions_of", "sessions", ["owner"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    data = Path(op.get_bind().engine.url.database or "").parent
    for row in files(data / "sessions"):
        known = {column.name: row.get(column.name, "") for column in sessions.columns}
        op.bulk_insert(sessions, [known | {"ended": float(row.get("ended", 0.0))}])
    for row in files(data / "links"):
        history = row.pop("history", ())
        op.bulk_insert(links, [row])
        op.bulk_insert(changes, [{"slug": row["slug"], "who": "", **one} for one in history])


def files(folder: Path) -> Iterator[dict[str, Any]]:
    """The records of a folder; one that was cut off is passed over."""
    for path in sorted(folder.glob("*.json")):
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            yield found
