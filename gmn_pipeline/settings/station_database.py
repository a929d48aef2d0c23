"""Settings of a station's own database.

What belongs here: which one is asked, and how gently. What does not: its columns, which are
described in a file (`sources/station_database.py`).
"""

from pathlib import Path

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class StationDatabaseSettings(SettingsGroup):
    """Database of a station (MySQL, MariaDB): which table is taken, and how gently."""

    station_database: Path | None = Field(
        None, description="File (TOML) that describes the table: its address, key and columns "
        "(see station-databases.md)."
    )  # fmt: skip
    station_database_password: SecretStr | None = Field(
        None, description="Password of the user that the file names."
    )
    station_database_page_rows: int = Field(
        5_000, ge=1, description="Rows that are asked for at once."
    )
    station_database_timeout_s: float = Field(
        10.0, gt=0, description="Seconds that the database may work on them."
    )
