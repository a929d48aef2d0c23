"""Addresses of PostgreSQL, without the password.

What belongs here: what a setting may say, and what libpq and DuckDB are given of it. What does
not: connecting.
"""

from urllib.parse import parse_qs, unquote, urlsplit

_SCHEMES = ("postgresql", "postgres")


def checked_address(url: str, password_variable: str) -> str:
    """A libpq address as it is; ValueError, without what is in it, if it cannot be used."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("expected is postgresql://user@host:5432/database")
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise ValueError(f"the password belongs into {password_variable}")
    return url


def described(url: str) -> str:
    """Which database an address means, for a message."""
    parts = urlsplit(url)
    host = unquote(parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0])
    return f"PostgreSQL at {host}, database {unquote(parts.path.strip('/')) or '(default)'}"
