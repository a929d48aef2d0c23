"""Bring an operational database to the tables of this version.

What belongs here: which revision a database has, a new one, and running alembic. What does not:
what a revision changes (`versions/`, a module for each), and who may do so when (`engine.py`).

A new revision: a module in `versions/` whose `down_revision` is the one before, its number in
`HEAD`, and the same change in `tables.py`. It runs within the transaction that it is given, in
SQLite too, so that a killed process leaves the database as it was. Revisions go up only: the way
back is a copy of the database from before.
"""

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    select,
)

# METADATA has their tables too.
from gmn_pipeline.database import (  # noqa: F401
    tables_accounts,
    tables_crawls,
    tables_dashboards,
    tables_search,
)
from gmn_pipeline.database.tables import METADATA
from gmn_pipeline.errors import PermanentError

HEAD = "0015"
"""The newest revision, known without alembic: loading that takes longer than most commands."""

# As alembic itself makes it.

_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def revision(connection: Connection) -> str | None:
    """The revision of a database; None if it is empty, or older than revisions are."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found = connection.scalar(select(_VERSION.c.version_num))
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
    """Bring a database up to date within the connection's transaction. One without any table gets
    those of this version at once: that takes a sixth of the time, and no alembic."""
    if is_current(connection):
        return
    if inspect(connection).get_table_names():
        run(connection)
    else:
        METADATA.create_all(connection)
        _VERSION.create(connection)
        connection.execute(_VERSION.insert().values(version_num=HEAD))


def run(connection: Connection) -> None:
    """Run the revisions that are missing, one after the other."""
    from alembic import command
    from alembic.config import Config

    # By the package's name: the place of a file may have letters that mean something in a config.
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "gmn_pipeline.database:migrations")
    command.upgrade(config, "head")
