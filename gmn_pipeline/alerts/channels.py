"""Channels: how notices are told, by webhook and by email.

What belongs here: the form of a message, and sending it. What does not: which notices there are and
which were sent (`watch.py`).

A notice is sent until the other side has taken it, so after a crash it may come twice: its number,
which stays the same, tells (header Idempotency-Key, and the Message-ID).
"""

import smtplib
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import Protocol

import requests

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.schemas.alerts import Notice, NoticeKind, NumberedNotice
from gmn_pipeline.settings import AlertSettings

_MOST_IN_SUBJECT = 3


class NoticeNotTaken(RetryableError):
    """Who is to be told takes no notice just now."""


class Channel(Protocol):
    """A way to tell."""

    name: str

    def send(self, notices: Sequence[NumberedNotice]) -> Iterator[list[int]]:
        """Tell all of them; the numbers of those that were taken, as they are. Raises
        NoticeNotTaken."""


def channels_of(settings: AlertSettings) -> tuple[Channel, ...]:
    """Those that the settings name."""
    found: list[Channel] = []
    if settings.alert_webhook_url is not None:
        found.append(Webhook(settings.alert_webhook_url.get_secret_value(), settings))
    if settings.alert_email_to:
        found.append(Email(settings))
    return tuple(found)


class Webhook:
    """Each notice as a POST of JSON."""

    name = "webhook"

    def __init__(self, url: str, settings: AlertSettings) -> None:
        self._url = url
        self._timeout_s = settings.alert_timeout_s

    def send(self, notices: Sequence[NumberedNotice]) -> Iterator[list[int]]:
        for one in notices:
            try:
                answer = requests.post(
                    self._url, json=as_json(one), timeout=self._timeout_s, allow_redirects=False,
                    headers={"Idempotency-Key": f"gmn-alert-{one.number}"},
                )  # fmt: skip
            except requests.RequestException as error:
                # Its text would name the address, which is often a secret.
                raise _not_taken("The webhook", type(error).__name__) from None
            if not 200 <= answer.status_code < 300:
                raise _not_taken("The webhook", f"it answers {answer.status_code}")
            yield [one.number]


class Email:
    """All notices of a moment in one message."""

    name = "email"

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings

    def send(self, notices: Sequence[NumberedNotice]) -> Iterator[list[int]]:
        settings = self._settings
        try:
            with smtplib.SMTP(
                settings.alert_smtp_host, settings.alert_smtp_port,
                timeout=settings.alert_timeout_s,
            ) as server:  # fmt: skip
                if settings.alert_smtp_starttls:
                    server.starttls()
                if settings.alert_smtp_user and settings.alert_smtp_password:
                    password = settings.alert_smtp_password.get_secret_value()
                    server.login(settings.alert_smtp_user, password)
                server.send_message(self._message(notices))
        except (OSError, smtplib.SMTPException) as error:
            raise _not_taken("The mail server", str(error)) from error
        yield [one.number for one in notices]

    def _message(self, notices: Sequence[NumberedNotice]) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.alert_email_from
        message["To"] = ", ".join(self._settings.alert_email_to)
        message["Subject"] = _one_line(_subject(notices))
        message["Message-ID"] = f"<alert-{notices[0].number}-{notices[-1].number}@gmn-pipeline>"
        message.set_content("\n\n".join(map(in_words, (n.notice for n in notices))) + "\n")
        return message


def _subject(notices: Sequence[NumberedNotice]) -> str:
    said = [f"{n.notice.about.station_code}: {n.notice.about.rule}"
            + (" is over" if n.notice.kind is NoticeKind.RECOVERED else "")
            for n in notices[:_MOST_IN_SUBJECT]]  # fmt: skip
    more = len(notices) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def _one_line(text: str) -> str:
    """A header ends at the end of its line, whatever a rule or a sensor is called."""
    return " ".join(text.split())


def as_json(one: NumberedNotice) -> dict[str, object]:
    """A notice for programs."""
    notice = one.notice
    return {
        "number": one.number,
        "kind": notice.kind.value,
        **notice.about._asdict(),
        "detail": notice.detail,
        "since_utc": notice.since_utc.isoformat(),
        "at_utc": notice.at_utc.isoformat(),
        "text": in_words(notice),
    }


def in_words(notice: Notice) -> str:
    """A notice for people."""
    about = notice.about
    state = "is over" if notice.kind is NoticeKind.RECOVERED else "holds"
    return (
        f"{about.station_code}, sensor {about.sensor_id}: {about.rule} {state} at "
        f"{notice.at_utc:%Y-%m-%d %H:%M:%S} UTC, since {notice.since_utc:%Y-%m-%d %H:%M:%S}. "
        f"{notice.detail[:1].upper()}{notice.detail[1:]}."
    )


def _not_taken(who: str, why: str) -> NoticeNotTaken:
    return NoticeNotTaken(f"{who} takes no notice of alerts: {why}.",
                          remedy="They are kept and sent once it does.")  # fmt: skip
