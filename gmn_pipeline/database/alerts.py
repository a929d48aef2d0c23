"""What is remembered of alerts: which hold, what is to be told, and who was told.

What belongs here: these tables, each step in one transaction. What does not: when an alert is
raised (`alerts/decision.py`), and telling (`alerts/channels.py`).
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Row, select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables import ALERT_DELIVERIES, ALERT_NOTICES, ALERTS
from gmn_pipeline.schemas.alerts import About, Alert, Notice, NoticeKind, NumberedNotice

_PENDING_AT_ONCE = 1_000


class AlertStore:
    """One process decides at a time; any number read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alerts(self) -> dict[About, Alert]:
        """What holds, or did when it was last looked at."""
        with self._database.reading() as connection:
            rows = connection.execute(select(ALERTS)).all() if connection else []
        return {
            About(*row[:3]): Alert(row.since_utc, row.detail, row.raised_at_utc) for row in rows
        }

    def record(
        self, alerts: Mapping[About, Alert], notices: Sequence[Notice], channels: Iterable[str]
    ) -> None:
        """Remember what holds from now on, and what is to be told by which channels, as one."""
        rows = [about._asdict() | vars(alert) for about, alert in alerts.items()]
        with self._database.writing() as connection:
            connection.execute(ALERTS.delete())
            if rows:
                connection.execute(ALERTS.insert(), rows)
            for notice in notices:
                told = vars(notice) | {"kind": notice.kind.value}
                told |= told.pop("about")._asdict()
                (number,) = connection.execute(
                    ALERT_NOTICES.insert().values(told).returning(ALERT_NOTICES.c.number)
                ).one()
                to = [{"channel": channel, "number": number} for channel in channels]
                if to:
                    connection.execute(ALERT_DELIVERIES.insert(), to)

    def pending(self, channel: str) -> list[NumberedNotice]:
        """What a channel has not told yet, oldest first."""
        deliveries, notices = ALERT_DELIVERIES.c, ALERT_NOTICES.c
        query = (
            select(ALERT_NOTICES)
            .join(ALERT_DELIVERIES, deliveries.number == notices.number)
            .where(deliveries.channel == channel, deliveries.sent_at_utc.is_(None))
            .order_by(notices.number)
            .limit(_PENDING_AT_ONCE)
        )
        with self._database.reading() as connection:
            return list(map(_notice, connection.execute(query))) if connection else []

    def record_sent(self, channel: str, numbers: Sequence[int]) -> None:
        """Remember that a channel has told these."""
        deliveries = ALERT_DELIVERIES.c
        with self._database.writing() as connection:
            connection.execute(
                ALERT_DELIVERIES.update()
                .where(deliveries.channel == channel, deliveries.number.in_(numbers))
                .values(sent_at_utc=utc_now())
            )

    def newest(self, most: int) -> list[NumberedNotice]:
        """What was told last, the newest first."""
        query = select(ALERT_NOTICES).order_by(ALERT_NOTICES.c.number.desc()).limit(most)
        with self._database.reading() as connection:
            return list(map(_notice, connection.execute(query))) if connection else []


def _notice(row: Row) -> NumberedNotice:  # type: ignore[type-arg]
    about = About(row.rule, row.station_code, row.sensor_id)
    notice = Notice(about, NoticeKind(row.kind), row.detail, row.since_utc, row.at_utc)
    return NumberedNotice(row.number, notice)
