"""What automix remembers beyond one study: data sets, studies, policies and how each did; what others found.

Optuna's database is the truth about a running study and MLflow's is for looking at; this one answers questions over
studies ("what won on data like these?"), so it keeps one row per finished slot and no curves. The schema is built by
the migrations, never from these classes; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

__all__ = ["Base", "DataSetRecord", "ImportRecord", "PolicyRecord", "ResultRecord", "StudyRecord"]

_HASH = String(64)
_NAME = String(250)


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of all tables. Constraints are named, so that a migration can change them on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, float: Double}  # noqa: RUF012  the name and form that SQLAlchemy reads


class DataSetRecord(Base):
    """A data set, known by what is in it: the same images under another name or folder are the same data set."""

    __tablename__ = "data_sets"

    content_hash: Mapped[str] = mapped_column(_HASH, primary_key=True)
    name: Mapped[str] = mapped_column(_NAME)
    meta_features: Mapped[dict[str, Any]]
    updated_at: Mapped[float]
    """Unix time in seconds, here and below."""


class StudyRecord(Base):
    """A search: what was asked, on which data, and the verdict once there is one."""

    __tablename__ = "studies"

    name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    data_hash: Mapped[str] = mapped_column(_HASH, ForeignKey("data_sets.content_hash"), index=True)
    config: Mapped[dict[str, Any]]
    verdict: Mapped[dict[str, Any]]
    """Empty until the study has one."""
    updated_at: Mapped[float]


class PolicyRecord(Base):
    """A policy document under its key; equal policies of different studies share one row."""

    __tablename__ = "policies"

    key: Mapped[str] = mapped_column(_HASH, primary_key=True)
    title: Mapped[str] = mapped_column(_NAME)
    document: Mapped[dict[str, Any]]
    updated_at: Mapped[float]


class ResultRecord(Base):
    """How the policy in one slot of a study did."""

    __tablename__ = "results"

    study: Mapped[str] = mapped_column(_NAME, ForeignKey("studies.name"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    policy_key: Mapped[str] = mapped_column(_HASH, ForeignKey("policies.key"), index=True)
    status: Mapped[str] = mapped_column(String(20))
    epochs: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    updated_at: Mapped[float]


class ImportRecord(Base):
    """A policy that won in somebody else's study, as it was imported."""

    __tablename__ = "imports"

    entry_hash: Mapped[str] = mapped_column(_HASH, primary_key=True)
    """Of the whole entry: importing a file again adds nothing."""
    data_hash: Mapped[str] = mapped_column(_HASH, ForeignKey("data_sets.content_hash"), index=True)
    entry: Mapped[dict[str, Any]]
    source: Mapped[str] = mapped_column(_NAME)
    """Name of the file that it came in."""
    updated_at: Mapped[float]
