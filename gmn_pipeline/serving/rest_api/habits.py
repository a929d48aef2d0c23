"""SQL as the network's clients write it, for SQLite, made into what DuckDB takes.

What belongs here: small changes of the text, piece by piece, which leave everything else as it was
typed; and hints for what has to be written otherwise. What does not: whether the text may be run
(`queries/statement.py` says).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from gmn_pipeline.serving.problems import bad_request

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_PARAMETERS = {TokenType.PLACEHOLDER, TokenType.PARAMETER}
# After these a value may stand, and a name in double quotes that is none is meant as a text.
_BEFORE_VALUES = {
    TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
    TokenType.LIKE, TokenType.ILIKE, TokenType.GLOB, TokenType.L_PAREN, TokenType.COMMA,
    TokenType.BETWEEN, TokenType.AND, TokenType.THEN, TokenType.ELSE, TokenType.WHEN,
    TokenType.DPIPE, TokenType.IS, TokenType.NOT,
}  # fmt: skip
_BEFORE_INDEX = {TokenType.R_BRACKET, TokenType.R_PAREN, TokenType.IDENTIFIER, TokenType.VAR}
_AFTER_SELECT_LIST = {
    TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY,
    TokenType.LIMIT, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.SEMICOLON,
    TokenType.WINDOW, TokenType.QUALIFY, TokenType.R_PAREN, TokenType.INTO,
}  # fmt: skip

_HINTS = {
    "rowid": "There is no rowid here: use unique_trajectory_identifier.",
    "strftime(": "Seconds since 1970 are epoch(beginning_utc_time) here.",
    "to date function": "For a time that is moved write beginning_utc_time - INTERVAL 12 HOURS.",
    "~~": "A time is no text here: compare date(beginning_utc_time) = '2018-12-26'.",
}
"""What DuckDB's message has -> what to write instead."""


@dataclass(frozen=True)
class _Change:
    begin: int
    end: int
    text: str


def query(sql: str, names: frozenset[str]) -> str:
    """A whole query. `names`: those of columns and tables, in lower case."""
    tokens = _tokens(sql)
    if tokens is None:
        return sql  # DuckDB says what is wrong with it
    changes = [*_everywhere(tokens, names), *_limits(tokens), *_named_expressions(sql, tokens)]
    return _changed(sql, changes)


def expression(text: str, what: str, names: frozenset[str]) -> tuple[str, frozenset[str]]:
    """One expression (or a list of them to order by), and the tables that it names.

    Raises Problem if it is not closed in itself: then it would not stay in its place.
    """
    tokens = _tokens(text)
    if tokens is None:
        raise bad_request(f"{what} holds a text or a comment without its end.")
    depth = 0
    for token in tokens:
        if token.token_type in _PARAMETERS:
            raise bad_request(f"{what} has its values in it: {token.text} stands for none here.")
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth < 0 or token.token_type is TokenType.SEMICOLON:
            raise bad_request(f"{what} is one expression, as it stands after this word in SQL.")
    if depth:
        raise bad_request(f"{what} has a bracket that is not closed.")
    tables = {
        token.text.lower() for token, after in pairwise(tokens) if after.token_type is TokenType.DOT
    }
    return _changed(text, _everywhere(tokens, names)), frozenset(tables)


def named_parameters(sql: str, given: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The text with `$name` for each `:name` that a value is given for, and those names."""
    tokens = _tokens(sql) or []
    found = [
        (colon, name)
        for colon, name in pairwise(tokens)
        if colon.token_type is TokenType.COLON
        and name.start == colon.end + 1
        and sql[name.start : name.end + 1] in given
    ]
    changes = [_Change(colon.start, colon.end + 1, "$") for colon, _ in found]
    return _changed(sql, changes), frozenset(sql[n.start : n.end + 1] for _, n in found)


def hint(message: str) -> str:
    """What to write instead of what SQLite takes and DuckDB does not."""
    return next((hint for word, hint in _HINTS.items() if word in message.lower()), "")


def _tokens(sql: str) -> list[Token] | None:
    try:
        return list(sqlglot.tokenize(sql, read="duckdb"))
    except SqlglotError:
        return None


def _changed(sql: str, changes: Iterable[_Change]) -> str:
    for change in sorted(changes, key=lambda c: (c.begin, c.end), reverse=True):
        sql = sql[: change.begin] + change.text + sql[change.end :]
    return sql


def _everywhere(tokens: Sequence[Token], names: frozenset[str]) -> Iterator[_Change]:
    """LIKE that does not look at case, [names] in brackets, texts in double quotes."""
    said = {
        token.text.lower() for before, token in _pairs(tokens)
        if before is not None and before.token_type is TokenType.ALIAS
    }  # fmt: skip
    for position, token in enumerate(tokens):
        before = tokens[position - 1] if position else None
        after = tokens[position + 1] if position + 1 < len(tokens) else None
        if token.token_type is TokenType.LIKE:
            yield _replaced(token, "ILIKE")
        elif token.token_type is TokenType.IDENTIFIER:
            if (
                before is not None
                and before.token_type in _BEFORE_VALUES
                and (after is None or after.token_type not in (TokenType.DOT, TokenType.L_PAREN))
                and token.text.lower() not in names | said
            ):
                yield _replaced(token, "'" + token.text.replace("'", "''") + "'")
        elif token.token_type is TokenType.L_BRACKET and position + 2 < len(tokens):
            is_index = before is not None and before.token_type in _BEFORE_INDEX
            name, end = tokens[position + 1 : position + 3]
            if (
                not is_index
                and end.token_type is TokenType.R_BRACKET
                and name.text.lower() in names
            ):
                yield _Change(token.start, end.end + 1, f'"{name.text}"')


def _pairs(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, Token]]:
    yield from zip([None, *tokens], tokens, strict=False)


def _replaced(token: Token, text: str) -> _Change:
    return _Change(token.start, token.end + 1, text)


def _limits(tokens: Sequence[Token]) -> Iterator[_Change]:
    """LIMIT offset, count."""
    for first, offset, comma, count in zip(
        tokens, tokens[1:], tokens[2:], tokens[3:], strict=False
    ):
        if (
            first.token_type is TokenType.LIMIT
            and comma.token_type is TokenType.COMMA
            and offset.token_type is count.token_type is TokenType.NUMBER
        ):
            yield _Change(offset.start, count.end + 1, f"{count.text} OFFSET {offset.text}")


def _named_expressions(sql: str, tokens: Sequence[Token]) -> Iterator[_Change]:
    """Columns of the answer are called as they were typed: `COUNT(*)`, not `count_star()`."""
    for item in _select_list(tokens):
        last = item[-1]
        is_call = last.token_type is TokenType.R_PAREN and item[0].token_type is not (
            TokenType.L_PAREN
        )
        has_name = any(token.token_type is TokenType.ALIAS for token in _outside(item))
        if is_call and not has_name and len(item) > 2:
            text = sql[item[0].start : last.end + 1].replace('"', '""')
            yield _Change(last.end + 1, last.end + 1, f' AS "{text}"')


def _outside(tokens: Sequence[Token]) -> Iterator[Token]:
    """Those that stand in no brackets."""
    depth = 0
    for token in tokens:
        depth -= token.token_type in _CLOSING
        if not depth:
            yield token
        depth += token.token_type in _OPENING


def _select_list(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The items of the first SELECT that stands in no brackets."""
    depth, begin = 0, None
    for position, token in enumerate(tokens):
        kind = token.token_type
        if begin is None:
            if kind is TokenType.SELECT and not depth:
                begin = position + 1
                if begin < len(tokens) and tokens[begin].token_type is TokenType.DISTINCT:
                    begin += 1
        elif not depth and (kind in _AFTER_SELECT_LIST or kind is TokenType.COMMA):
            if position > begin:
                yield tokens[begin:position]
            if kind is not TokenType.COMMA:
                return
            begin = position + 1
        depth += (kind in _OPENING) - (kind in _CLOSING)
    if begin is not None and begin < len(tokens):
        yield tokens[begin:]
