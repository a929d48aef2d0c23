"""The producer that requests share: to connect takes longer than to send.

What belongs here: opening it when it is first wanted, and anew after it failed. What does not: what
is sent (`records.py`).
"""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.sending import Message, Sent, send_messages
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import KafkaSettings


class Sending:
    """Any number of threads may send, one at a time."""

    def __init__(self, settings: KafkaSettings, topic: Topic) -> None:
        self._settings = settings
        self._topic = topic
        self._turn = threading.Lock()
        self._opened = ExitStack()
        self._kafka: Any = None

    def send(self, messages: Sequence[Message]) -> Sent:
        """Return when each is acknowledged or given up. Raises BrokerUnavailable."""
        with self._turn:
            if self._kafka is None:
                ensure_topics(self._settings, self._topic)
                self._kafka = self._opened.enter_context(producer(self._settings))
            sent = send_messages(self._settings, self._kafka, self._topic.name, messages)
            if sent.failure is not None:
                self._let_go()
            return sent

    def close(self) -> None:
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        self._kafka = None
        self._opened.close()
