"""Data sets, studies, policies and results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "data_sets",
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(250), nullable=False),
        sa.Column("meta_features", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name="pk_data_sets"),
    )
    op.create_table(
        "policies",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("title", sa.String(250), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_policies"),
    )
    op.create_table(
        "studies",
        sa.Column("name", sa.String(250), nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_studies"),
        sa.ForeignKeyConstraint(["data_hash"], ["data_sets.content_hash"], name="fk_studies_data_hash"),
    )
    op.create_index("ix_studies_data_hash", "studies", ["data_hash"])
    op.create_table(
        "results",
        sa.Column("study", sa.String(250), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy_key", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("study", "slot", name="pk_results"),
        sa.ForeignKeyConstraint(["study"], ["studies.name"], name="fk_results_study"),
        sa.ForeignKeyConstraint(["policy_key"], ["policies.key"], name="fk_results_policy_key"),
    )
    op.create_index("ix_results_policy_key", "results", ["policy_key"])


def downgrade() -> None:
    """Drop them again."""
    for table in ("results", "studies", "policies", "data_sets"):
        op.drop_table(table)
