"""What alembic runs around the migrations; `automix.storage.migrate` hands in the connection."""

from __future__ import annotations

from alembic import context

from automix.storage.migrate import VERSION_TABLE
from automix.storage.models import Base


def _run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite cannot alter a column in place
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic loads this file under this name; imported as a module (by a documentation or test tool) it does nothing.
if __name__ == "env_py":
    _run()
