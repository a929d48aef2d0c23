"""The ground track of a trajectory: where it began and ended, for the formats of maps.

What belongs here: which columns it is made of, and where it crosses the 180th meridian. What does
not: how a format writes it. A track is the straight line from the beginning to the end that the
network publishes; heights are those above the WGS84 ellipsoid, in metres here.
"""

import polars as pl

BEGIN = ("begin_longitude_deg", "begin_latitude_deg", "begin_height_km")
END = ("end_longitude_deg", "end_latitude_deg", "end_height_km")
COLUMNS = (*BEGIN, *END)
IDENTIFIER = "trajectory_identifier"
TIME = "beginning_utc_time"


def with_track(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """The frame with the track in columns of its own: the ends in `__lon1`, `__lat1`, `__h1` and
    `__lon2`, `__lat2`, `__h2`, whether it is there (`__has_track`) and crosses the 180th meridian
    (`__crosses`), and then where: `__side`, the longitude at which the first part ends (180 or
    -180), `__lat`, `__h`."""
    numbers = [pl.col(names[name]).cast(pl.Float64) for name in COLUMNS]
    labels = ("__lon1", "__lat1", "__km1", "__lon2", "__lat2", "__km2")
    found = frame.with_columns(
        *(number.alias(label) for number, label in zip(numbers, labels, strict=True)),
        pl.all_horizontal(number.is_finite().fill_null(value=False) for number in numbers)
        .alias("__has_track"),
    ).with_columns(
        # Nearest millimetre: not 99999.99999999999 for 100 km.
        (pl.col("__km1") * 1000).round(3).alias("__h1"),
        (pl.col("__km2") * 1000).round(3).alias("__h2"),
        ((pl.col("__lon1") - pl.col("__lon2")).abs() > 180).fill_null(value=False)
        .alias("__crosses"),
        pl.when(pl.col("__lon1") > 0).then(180.0).otherwise(-180.0).alias("__side"),
    )  # fmt: skip
    # How far along it is there, the end being seen on the beginning's side.
    unrolled = pl.col("__lon2") + 2 * pl.col("__side")
    share = (pl.col("__side") - pl.col("__lon1")) / (unrolled - pl.col("__lon1"))
    return found.with_columns(
        (pl.col("__lat1") + share * (pl.col("__lat2") - pl.col("__lat1"))).round(9).alias("__lat"),
        (pl.col("__h1") + share * (pl.col("__h2") - pl.col("__h1"))).round(3).alias("__h"),
    )
