"""Bring an operational database to the tables of this version.

What belongs here: which revision a database has, and running alembic. What does not: what a
revision changes (`versions/`, a module for each), and who may do so when (`engine.py`).

A new revision: a module in `versions/` whose `down_revision` is the one before, its number in
`HEAD`, and the same change in `tables.py`. It runs within the transaction that it is given, in
SQLite too, so that a killed process leaves the database as it was. Revisions go up only: the way
back is a copy of the database from before.
"""

from sqlalchemy import Connection, inspect, text

from gmn_pipeline.errors import PermanentError

HEAD = "0006"
"""The newest revision, known without alembic: loading that takes longer than most commands."""

_VERSION_TABLE = "alembic_version"  # alembic's own name


def revision(connection: Connection) -> str | None:
    """The revision of a database; None if it is empty, or older than revisions are."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))
    return None if found is None else str(found)


def is_current(connection: Connection) -> bool:
    """Whether a database has the tables of this version.

    Raises PermanentError if it has those of a later one.
    """
    found = revision(connection)
    if found is not None and found > HEAD:
        raise PermanentError(
            f"The operational database is of a later version of this program (revision {found}, "
            f"known here is {HEAD}).",
            remedy="Update the program; nothing was changed.",
        )
    return found == HEAD


def upgrade(connection: Connection) -> None:
    """Run what is missing, within the connection's transaction."""
    if is_current(connection):
        return
    from alembic import command
    from alembic.config import Config

    # By the package's name: the place of a file may have letters that mean something in a config.
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "gmn_pipeline.database:migrations")
    command.upgrade(config, "head")
