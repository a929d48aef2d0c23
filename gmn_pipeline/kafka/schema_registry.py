"""A schema registry that speaks Confluent's API: register, look up.

What belongs here: HTTP to the registry, and a cache of what never changes. What does not: what an
id in a message means (`framing.py`).
"""

import json
from functools import cache
from typing import Any

import requests

from gmn_pipeline.errors import RegistryUnavailable, SchemaRefused
from gmn_pipeline.settings import KafkaSettings

_TIMEOUT_S = 10.0
_JSON = {
    "Accept": "application/vnd.schemaregistry.v1+json, application/json",
    "Content-Type": "application/vnd.schemaregistry.v1+json",
}


class SchemaRegistry:
    """One registry. The schema of an id is asked for once in a process: it never changes."""

    def __init__(self, url: str, basic_auth: str = "") -> None:
        self._url = url.rstrip("/")
        self._auth = tuple(basic_auth.split(":", 1)) if ":" in basic_auth else None
        self._schemas: dict[int, dict[str, Any] | None] = {}

    def register(self, subject: str, schema: str) -> int:
        """The id of a schema under a subject, registered now if it was not yet.

        The registry checks it by the subject's rule of compatibility, and says what does not fit.
        Not remembered here: a registry that was emptied has to be told again.
        Raises SchemaRefused if it is not compatible with what is registered there.
        """
        answer = self._ask("POST", f"/subjects/{subject}/versions", {"schema": schema})
        if answer.status_code in (409, 422):
            raise SchemaRefused(
                f"The schema registry refuses the message schema of this version under {subject}: "
                f"{_why(answer)}.",
                remedy="Another program registered its own schema there. Give these messages a "
                "topic of their own (GMN_KAFKA_TOPIC), or let the subject take both "
                f"(PUT /config/{subject}).",
            )
        return int(self._json(answer)["id"])

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """The record schema of an id; None if the registry has none, or none of Avro."""
        if schema_id not in self._schemas:
            answer = self._ask("GET", f"/schemas/ids/{schema_id}")
            if answer.status_code == 404:
                # Not remembered: it may be registered at any moment.
                return None
            self._schemas[schema_id] = _record_schema(self._json(answer))
        return self._schemas[schema_id]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        try:
            return requests.request(
                method, self._url + path, data=json.dumps(body) if body else None, headers=_JSON,
                auth=self._auth, timeout=_TIMEOUT_S,  # type: ignore[arg-type]
            )  # fmt: skip
        except requests.RequestException as error:
            raise RegistryUnavailable(
                f"The schema registry {self._url} does not answer: {error}.",
                remedy="Start it, correct SCHEMA_REGISTRY_URL, or leave that unset.",
            ) from error

    def _json(self, answer: requests.Response) -> Any:
        if not answer.ok:
            raise RegistryUnavailable(
                f"The schema registry {self._url} answers {answer.status_code}: "
                f"{answer.text[:200]}",
                remedy="Look at its log; 401 and 403 want SCHEMA_REGISTRY_BASIC_AUTH.",
            )
        try:
            return answer.json()
        except ValueError as error:
            raise RegistryUnavailable(
                f"{self._url} answers something that is not JSON.",
                remedy="Is SCHEMA_REGISTRY_URL the address of a schema registry?",
            ) from error


def _why(answer: requests.Response) -> str:
    """The registry's own words."""
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.text
    return text[:500].rstrip(". ")


def _record_schema(answer: Any) -> dict[str, Any] | None:
    if answer.get("schemaType", "AVRO") != "AVRO":
        return None
    try:
        schema = json.loads(answer["schema"])
    except ValueError:
        return None
    return schema if isinstance(schema, dict) and schema.get("type") == "record" else None


def open_registry(settings: KafkaSettings) -> SchemaRegistry | None:
    """The registry of the settings, if there is one."""
    if not settings.schema_registry_url:
        return None
    auth = settings.schema_registry_basic_auth
    return _opened(settings.schema_registry_url, auth.get_secret_value() if auth else "")


@cache
def _opened(url: str, basic_auth: str) -> SchemaRegistry:
    return SchemaRegistry(url, basic_auth)
