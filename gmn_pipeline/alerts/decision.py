"""When an alert is raised, and when it is over: from what holds now and what was known before.

What belongs here: this decision, without any clock, lake or database.

    nothing known -> holds: pending, since now
    pending       -> holds for as long as the rule says: raised, told once
    pending       -> does not hold: forgotten, and nobody was told
    raised        -> does not hold: recovered, told once, and forgotten
    anything      -> cannot be told just now: stays as it is
    raised        -> its rule is gone from the file: over, told once
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gmn_pipeline.schemas.alerts import About, Alert, Notice, NoticeKind


@dataclass(frozen=True)
class Found:
    """What a rule finds of a sensor now; `holds` is None where that cannot be told."""

    holds: bool | None
    detail: str


@dataclass(frozen=True)
class Decision:
    """What is to be remembered from now on, and what is to be told."""

    alerts: Mapping[About, Alert]
    notices: tuple[Notice, ...]


def decide(
    before: Mapping[About, Alert],
    found: Mapping[About, Found],
    for_s: Mapping[str, float],
    now_utc: datetime,
) -> Decision:
    """`for_s`: of each rule that there is, for how long it has to hold."""
    alerts = dict(before)
    notices = []
    for about in _those(before, found):
        alert = before.get(about)
        if about.rule not in for_s:
            finding = Found(False, "its rule is no more")
        else:
            finding = found.get(about, Found(None, ""))
        if finding.holds is None:
            continue
        if not finding.holds:
            if alert is not None and alert.raised_at_utc is not None:
                notices.append(_over(about, alert, now_utc))
            alerts.pop(about, None)
            continue
        alert = alert or Alert(now_utc, finding.detail)
        lasted_s = (now_utc - alert.since_utc).total_seconds()
        if alert.raised_at_utc is None and lasted_s >= for_s[about.rule]:
            alert = replace(alert, detail=finding.detail, raised_at_utc=now_utc)
            notices.append(
                Notice(about, NoticeKind.RAISED, finding.detail, alert.since_utc, now_utc)
            )
        alerts[about] = alert
    return Decision(alerts, tuple(notices))


def _those(*some: Iterable[About]) -> list[About]:
    return sorted({about for those in some for about in those})


def _over(about: About, alert: Alert, now_utc: datetime) -> Notice:
    return Notice(about, NoticeKind.RECOVERED, alert.detail, alert.since_utc, now_utc)
