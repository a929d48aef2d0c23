"""What alembic runs to upgrade: on the connection that it is given, in its transaction."""

from alembic import context

from gmn_pipeline.database.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # alembic does not expect it of SQLite; `engine.py` sees to it
)
context.run_migrations()
