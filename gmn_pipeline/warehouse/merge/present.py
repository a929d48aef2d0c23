"""Of the merge: what is there of the trajectories that are spoken of, and who spoke before."""

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import (
    AT_UTC,
    BIN,
    HISTORY_FILES,
    IS_DAILY,
    IS_INSIDE,
    IS_NAMED,
    KEY,
    MADE_HERE,
    NEIGHBOUR_DEG,
    TWO_DAYS,
    spoken_of,
)
from gmn_pipeline.warehouse.merge.undisputed import Undisputed


class Present(Statements):
    """`near`, `spoken`, `claim`, `undisputed` and `contested`; for what has to be weighed, also
    `confirmed`, `tombstone`, `present` and `taken_over`."""

    def run(self) -> bool:
        """The steps, in their order. Whether anything has to be weighed."""
        self._find_near()
        self._find_claimed()
        self._find_spoken()
        self._find_claims()
        self._find_consumed()
        has_made_here = self._has_made_here()
        undisputed = Undisputed(self._connection)
        undisputed.run(has_made_here=has_made_here)
        if undisputed.is_all():
            return False
        self._find_messages()
        self._find_present()
        self._find_takeovers(has_made_here=has_made_here)
        return True

    def _find_near(self) -> None:
        """`near`: rows that a speaker may be speaking of; `standing`: the same, whole."""
        first, last, least, greatest = self.rows(
            f"""
            SELECT min(day), max(day), min({KEY}), max({KEY}) FROM (
              SELECT bin_date AS day, NULL AS {KEY} FROM speaker
              UNION ALL SELECT NULL, {KEY} FROM arriving
              UNION ALL SELECT NULL, {KEY} FROM gone)
            """
        )[0]
        columns = (
            f"{KEY}, {BIN}, beginning_utc_time, solar_longitude_deg, {IS_NAMED} AS is_named, "
            f"{IS_INSIDE} AS is_inside, "
            f"list_contains(quality_flags, '{MADE_HERE}') AS is_made_here, "
            "summary_generated_at_utc, source_file_sha256, revision, valid_from_utc"
        )
        # Scans, each of which DuckLake can confine to the files it needs.
        scans = []
        values: dict[str, object] = {}
        spoken_of_by_key = f"{KEY} IN (SELECT {KEY} FROM arriving UNION ALL SELECT {KEY} FROM gone)"
        elsewhere = "" if first is None else "AND bin_date NOT BETWEEN $first AND $last"
        if least is not None:
            scans.append(
                f"FROM trajectories WHERE {KEY} BETWEEN $least AND $greatest "
                f"AND {spoken_of_by_key} {elsewhere}"
            )
            values |= {"least": least, "greatest": greatest}
        begin, end = self.rows(
            "SELECT min(covers_from_utc) - INTERVAL 2 SECONDS, "
            "max(covers_until_utc) + INTERVAL 2 SECONDS FROM speaker WHERE NOT is_daily"
        )[0]
        if begin is not None and end is not None:
            # Of these times are also rows that a file or message puts into a bin far away.
            scans.append(
                "FROM trajectories WHERE beginning_utc_time BETWEEN $begin AND $end "
                f"AND NOT {spoken_of_by_key} {elsewhere}"
            )
            values |= {"begin": begin, "end": end}
        if first is not None:
            # A history file speaks of times: those of a bin may be labelled with its neighbour.
            scans.append("FROM trajectories WHERE bin_date BETWEEN $first AND $last")
            values |= {"first": first - TWO_DAYS, "last": last + TWO_DAYS}
        scans = scans or ["FROM trajectories WHERE false"]
        if self.standing != "trajectories":
            self._copy(self.standing, " UNION ALL ".join(scans), **values)
            scans, values = [f"FROM {self.standing}"], {}
        self._copy("near", " UNION ALL ".join(f"SELECT {columns} {s}" for s in scans), **values)

    def _copy(self, table: str, query: str, **values: object) -> None:
        self.rows(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", **values)

    def _find_present(self) -> None:
        """`present`: rows that a speaker may be speaking of, but the undisputed ones, with the
        generation of the newest file that has them: one that brought nothing new did not touch the
        row. And with that of what named their bin; where its content is not the row's, that is a
        claim."""
        self._copy(
            "beside",
            f"SELECT *, {AT_UTC} AS at_utc, CASE WHEN NOT is_named THEN {NEIGHBOUR_DEG} END "
            f"AS neighbour_deg FROM near ANTI JOIN undisputed USING ({KEY})",
        )
        has_history = self.one("SELECT count(*) FROM spoken WHERE NOT is_daily")
        history_files = HISTORY_FILES if has_history else "SELECT NULL WHERE false"
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE present AS
            SELECT n.*, c.{KEY} IS NOT NULL AS is_claimed,
              CASE WHEN c.{KEY} IS NOT NULL THEN c.generated_at_utc
                WHEN n.is_named THEN greatest(d.generated_at_utc, m.generated_at_utc, CASE
                WHEN n.source_file_sha256 NOT IN ({history_files})
                THEN n.summary_generated_at_utc END) END AS named_at_utc,
              greatest(n.summary_generated_at_utc, h.generated_at_utc, m.generated_at_utc,
                CASE WHEN n.is_named THEN d.generated_at_utc END) AS generated_at_utc
            FROM beside n
            LEFT JOIN (FROM spoken WHERE is_daily) d USING ({BIN})
            LEFT JOIN ({spoken_of("beside", since="t.valid_from_utc")}) h ON n.{KEY} = h.{KEY}
            LEFT JOIN claim c ON n.{KEY} = c.{KEY} AND n.bin_date = c.bin_date
              AND n.bin_solar_longitude_deg = c.bin_solar_longitude_deg
            LEFT JOIN confirmed m ON n.{KEY} = m.{KEY} AND n.revision = m.revision
            """
        )

    def _find_spoken(self) -> None:
        """`spoken`: the newest file that was loaded of each bin or interval before: of the bins
        that rows are in, and of the times at which they were, which may be far from these."""
        first, last = self.rows(
            """
            SELECT min(day), max(day) FROM (
              SELECT bin_date AS day FROM speaker
              UNION ALL SELECT unnest([bin_date, beginning_utc_time::DATE]) FROM near
              UNION ALL SELECT unnest([bin_date, beginning_utc_time::DATE]) FROM arriving
              UNION ALL SELECT unnest([bin_date, at_utc::DATE]) FROM claimed)
            """
        )[0]
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE spoken AS
            SELECT {BIN}, {IS_DAILY} AS is_daily, covers_from_utc, covers_until_utc,
              max(summary_generated_at_utc) AS generated_at_utc,
              arg_max(loaded_at_utc, summary_generated_at_utc) AS loaded_at_utc
            FROM source_files WHERE bin_date BETWEEN $first AND $last GROUP BY ALL
            """,
            first=first and first - TWO_DAYS,
            last=last and last + TWO_DAYS,
        )

    def _find_claimed(self) -> None:
        """`claimed`: what files of other bins have of trajectories. There are few: all."""
        self._copy(
            "claimed",
            f"SELECT {KEY}, {BIN}, {AT_UTC} AS at_utc, {IS_INSIDE} AS is_inside, "
            "summary_generated_at_utc FROM trajectory_claims",
        )

    def _find_claims(self) -> None:
        """`claim`: the same, with the generation of the newest file that has them."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE claim AS
            SELECT c.{KEY}, c.bin_date, c.bin_solar_longitude_deg, c.at_utc, c.is_inside,
              greatest(c.summary_generated_at_utc, s.generated_at_utc) AS generated_at_utc
            FROM claimed c
            LEFT JOIN (FROM spoken WHERE is_daily) s USING ({BIN})
            """
        )

    def _find_consumed(self) -> None:
        """`consumed`: the messages of others."""
        self._copy(
            "consumed",
            f"""
            SELECT {KEY}, revision, change, generated_at_utc, sent_at_utc, topic_id,
              topic_partition, topic_offset
            FROM publications
            WHERE origin = 'consumed'
              AND {KEY} IN (SELECT {KEY} FROM near UNION ALL SELECT {KEY} FROM arriving)""",
        )

    def _find_messages(self) -> None:
        """Of these: `tombstone`, the newest one of each trajectory, and `confirmed`, the newest
        message that says what a row says. Where one without a bin did, what names the bin is a
        claim."""
        is_tombstone = f"change = '{Change.WITHDRAWN}'"
        self._copy(
            "tombstone",
            f"SELECT {KEY}, max(generated_at_utc) AS generated_at_utc "
            f"FROM consumed WHERE {is_tombstone} GROUP BY 1",
        )
        topics = "(SELECT DISTINCT topic, topic_id FROM stream_offsets)"
        if not self.one("SELECT count(*) FROM consumed"):
            topics = "(SELECT NULL::VARCHAR AS topic, NULL::VARCHAR AS topic_id)"
        self._copy(
            "confirmed",
            f"""
            SELECT {KEY}, revision, max(generated_at_utc) AS generated_at_utc,
              arg_max('kafka:' || coalesce(topic, topic_id) || '/' || topic_partition || '/'
                || topic_offset, (generated_at_utc, sent_at_utc)) AS cause
            FROM consumed LEFT JOIN {topics} USING (topic_id)
            WHERE NOT {is_tombstone} AND revision > 0 AND {KEY} IN (SELECT {KEY} FROM near)
            GROUP BY ALL""",
        )

    def _has_made_here(self) -> bool:
        """Whether any identifier was made here, of what is there or arrives."""
        made_here = f"list_contains(quality_flags, '{MADE_HERE}')"
        return bool(
            self.one(
                f"SELECT (SELECT count(*) FROM near WHERE is_made_here) + "
                f"(SELECT count(*) FROM arriving_row WHERE {made_here})"
            )
        )

    def _find_takeovers(self, *, has_made_here: bool) -> None:
        """`taken_over`: trajectories whose identifier was made here, for a file of the former
        format, of which something else tells the network's: same bin, second and stations. They
        go, with the speaker, or do not come: they stand for the trajectory that is there."""
        made_here = f"list_contains(quality_flags, '{MADE_HERE}')"
        self.rows(
            f"CREATE OR REPLACE TEMP TABLE taken_over ({KEY} VARCHAR, speaker INTEGER, "
            "cause VARCHAR, generated_at_utc TIMESTAMP, network_identifier VARCHAR)"
        )
        if not has_made_here:
            return
        event = (
            f"{KEY}, {BIN}, date_trunc('second', beginning_utc_time) AS second, "
            f"list_sort(participating_stations) AS stations, {made_here} AS is_made_here"
        )
        same = "bin_date, bin_solar_longitude_deg, second, stations"
        self.rows(
            f"""
            INSERT INTO taken_over
            WITH new AS (
              SELECT {event}, row FROM arriving_row WHERE row IN (SELECT row FROM arriving)
            ), old AS (
              SELECT {event} FROM {self.standing} WHERE {KEY} IN (SELECT {KEY} FROM present)
            )
            SELECT old.{KEY}, a.speaker, a.cause, a.generated_at_utc, NULL
            FROM old JOIN new USING ({same}) JOIN arriving a ON a.row = new.row
            WHERE old.is_made_here AND NOT new.is_made_here
            UNION ALL
            SELECT new.{KEY}, NULL, NULL, NULL, other.{KEY}
            FROM new JOIN (FROM old WHERE NOT is_made_here UNION ALL
              SELECT * EXCLUDE (row) FROM new WHERE NOT is_made_here) other USING ({same})
            WHERE new.is_made_here
            """
        )
