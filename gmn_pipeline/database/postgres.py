"""Connections to PostgreSQL, for whoever needs one without SQLAlchemy.

What belongs here: what libpq is told, and what a person is told if it fails. What does not: what
is asked of a server. The driver is loaded by the first connection: most commands need none.
"""

from typing import TYPE_CHECKING

from gmn_pipeline.addresses import described
from gmn_pipeline.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

_CONNECT_TIMEOUT_S = "15"
_DEFAULT_PORT = 5432


def connect(url: str, password: str | None, *, autocommit: bool = False) -> "Connection":
    """A connection. Raises DatabaseUnavailable."""
    import psycopg

    told = keywords(url, password=password)
    try:
        return psycopg.connect(told, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from error


def keywords(url: str, **more: str | None) -> str:
    """An address as libpq's keywords and values; a value that is None is left out."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    told = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    told |= {name: value for name, value in more.items() if value is not None}
    return make_conninfo(**{"connect_timeout": _CONNECT_TIMEOUT_S} | told)


def ports(url: str) -> list[int]:
    """The TCP ports that an address needs."""
    from psycopg.conninfo import conninfo_to_dict

    named = str(conninfo_to_dict(url).get("port") or _DEFAULT_PORT)
    return [int(port or _DEFAULT_PORT) for port in named.split(",")]


def unavailable(url: str, error: BaseException) -> DatabaseUnavailable:
    """A failure of the server, or on the way to it, in a sentence."""
    said = " ".join(str(error).split()).rstrip(".")
    return DatabaseUnavailable(
        f"{described(url)}, does not answer: {said}.",
        remedy="Is it running, and are its address and password set right ('gmn settings')? "
        "Nothing is lost: the same command goes on from what is done.",
    )
