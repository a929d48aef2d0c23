"""What all steps of the merge do: run a statement, and look at the changes."""

import duckdb


class Statements:
    """A session in whose transaction the steps work."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, standing: str = "trajectories"
    ) -> None:
        """`standing`: the table that has the rows which are there before anything is changed."""
        self._connection = connection
        self.standing = standing

    def rows(self, sql: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Rows of a statement; values are bound by name."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, **values: object) -> int:
        """The single number of an answer."""
        return int(self.rows(sql, **values)[0][0])

    def former_days(self, where: str) -> tuple[object, object]:
        """The first and last bin date of the rows that are there of some changes."""
        first, last = self.rows(
            f"SELECT min(former_bin_date), max(former_bin_date) FROM change WHERE {where}"
        )[0]
        return first, last
