"""Places in line, and times of classes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("student", sa.Text, nullable=False),
        sa.Column("course", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("joined", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("places_of", "places", ["student", "course"], unique=True)
    op.create_table(
        "classes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("env", sa.Text, nullable=False),
        sa.Column("students", sa.Integer, nullable=False),
        sa.Column("starts", sa.Float, nullable=False),
        sa.Column("lasts", sa.Float, nullable=False),
        sa.Column("repo", sa.Text, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
