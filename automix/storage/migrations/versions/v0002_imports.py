"""Policies that were imported from other people's work folders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "imports",
        sa.Column("entry_hash", sa.String(64), nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=False),
        sa.Column("entry", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(250), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("entry_hash", name="pk_imports"),
        sa.ForeignKeyConstraint(["data_hash"], ["data_sets.content_hash"], name="fk_imports_data_hash"),
    )
    op.create_index("ix_imports_data_hash", "imports", ["data_hash"])


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("imports")
