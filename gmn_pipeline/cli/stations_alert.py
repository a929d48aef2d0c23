"""`gmn stations alert`: look at the rules of alerts, and tell what changes.

What belongs here: the command, and opening what it works with. What does not: rules and telling
(`alerts/`).
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from gmn_pipeline.alerts.channels import channels_of, in_words
from gmn_pipeline.alerts.rules import Rule, read_rules
from gmn_pipeline.alerts.watch import Ask, Watch
from gmn_pipeline.cli.console import console, tell_of_work
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.database.alerts import AlertStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import ServiceRunning, SettingsError
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.states import states_of
from gmn_pipeline.schemas.quantities import QUANTITY
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.storage.files import alone
from gmn_pipeline.warehouse.lakes import READINGS

LOCK = "alerts.lock"


def alert(
    rules: Annotated[
        Path | None, typer.Option(help="File of rules. Without it, that of GMN_ALERT_RULES.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option(help="Look once, and end.")] = False,
) -> None:
    """Watch stations by rules, and tell once what holds and when it is over; ends on Ctrl-C or
    SIGTERM."""
    settings = load_settings(alert_rules=rules)
    watch = Watch(_rules(settings), AlertStore(open_database(settings)), channels_of(settings))
    tell_of_work()
    stopped = threading.Event()
    running = ServiceRunning(  # two would tell everything twice
        "Another process watches the rules of this data folder already.",
        remedy="Let it work, or stop it.",
    )
    with (
        on_signals(stopped.set),
        alone(settings.data_dir / LOCK, running),
        _asking(settings) as ask,
    ):
        if not once:
            watch.run(ask, settings.alert_every_s, stopped)
            return
        for notice in watch.look(ask):
            console.print(in_words(notice), markup=False, highlight=False)
        watch.tell()


def _rules(settings: Settings) -> tuple[Rule, ...]:
    if settings.alert_rules is None:
        raise SettingsError(
            "No rules of alerts are set.",
            remedy="Name a file of rules in GMN_ALERT_RULES, or by --rules (docs/alerts.md).",
        )
    return read_rules(settings.alert_rules, frozenset(QUANTITY))


@contextmanager
def _asking(settings: Settings) -> Iterator[Ask]:
    limits = Limits.of(settings)
    with states_of(settings, limits, 1, READINGS) as states:

        def ask(sql: str, values: Mapping[str, object]) -> pa.Table:
            with states.run(states.look(), sql, values, limits=limits) as answer:
                return pa.Table.from_batches(list(answer), answer.schema)

        yield ask
