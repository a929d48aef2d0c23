"""Every error this project raises on purpose, and whether to try again.

    GmnError
    |-- RetryableError            the same call may work later
    |   |-- SourceUnavailable     the source is down, slow or answers 5xx
    |   |-- FileIncomplete        a file caught half written, or changed while it was read
    |   |-- WarehouseBusy         another writer held the warehouse for too long
    |   |-- DatabaseUnavailable   PostgreSQL is down, slow, or does not let us in
    |   |-- StorageUnavailable    object storage is down, slow, or does not let us in
    |   |-- DiskFull              no space is left where something was to be written
    |   |-- BrokerUnavailable     Kafka is down, slow, or lost a message on its way
    |   |-- RegistryUnavailable   the schema registry is down or answers an error
    |   `-- StreamBusy            another process reads the topic, or publishes to it
    `-- PermanentError            the same call will fail again: somebody has to look
        |-- SettingsError         a setting has no usable value
        |   `-- BrokerNotSet      no Kafka is set, and the data folder's own does not run
        |-- KafkaUnavailable      no broker can be started on this machine as it is
        |-- NotPermitted          the data folder may not be written, or not be read
        |-- DataDamaged           a file of the warehouse is missing or not readable
        |-- ServiceRunning        another one works on the data folder, or has the port
        |-- SourceFileMissing     the source answers that there is no such file
        |-- SourceRefused         the source answers something that is not its data
        |-- SummaryFormatError    a file is not in the format that this version knows
        |-- SchemaRefused         the schema registry takes our schema to be incompatible
        |-- QueryRefused          a query is anything but one SELECT of the warehouse's tables
        |-- QueryFailed           DuckDB cannot answer a query: syntax, names, values
        |-- QueryLimit            a query needs more time or memory than it may have
        |-- FormatRefused         an answer lacks columns that the format asked for is made of
        |-- ObjectRefused         a name, a description or bytes cannot be kept as an object
        |-- ObjectMissing         there is no such project, container, object or version
        |-- ObjectConflict        an object is not, or not any more, as the caller takes it to be
        |-- DashboardRefused      a document is no dashboard, or of a later form
        |-- DashboardMissing      there is no such dashboard or version
        |-- DashboardConflict     somebody saved a dashboard meanwhile
        |-- AccountRefused        an account, role or token that there is not, or that cannot be
        |-- Denied                who asks may not do that
        |-- SnapshotGone          a state of the warehouse that is not kept any more, or never was
        |-- StreamGap             messages that were to be read next are gone from the topic
        `-- CountMismatch         rows read, accepted, rejected and written do not add up

A message says what happened, where (file and line), and what to do about it.
"""


class GmnError(Exception):
    """Root of the tree; `remedy` is the sentence that tells a person what to do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class RetryableError(GmnError):
    """The same call may work later."""


class SourceUnavailable(RetryableError):
    """The source is down, slow, or answers with a server error."""


class FileIncomplete(RetryableError):
    """A file was caught half written, or changed while it was read."""


class WarehouseBusy(RetryableError):
    """Others held the warehouse for longer than may be waited for."""


class DatabaseUnavailable(RetryableError):
    """PostgreSQL is down, slow, or does not let us in."""


class StorageUnavailable(RetryableError):
    """Object storage is down, slow, or does not let us in."""


class DiskFull(RetryableError):
    """No space is left where something was to be written."""


class BrokerUnavailable(RetryableError):
    """Kafka is down, slow, or did not acknowledge a message."""


class RegistryUnavailable(RetryableError):
    """The schema registry is down or answers an error."""


class StreamBusy(RetryableError):
    """Another process reads the topic into the warehouse, or publishes to it."""


class PermanentError(GmnError):
    """The same call will fail again until somebody changes something."""


class SettingsError(PermanentError):
    """A setting has no usable value."""


class BrokerNotSet(SettingsError):
    """No Kafka is set, and the data folder's own broker does not run."""


class KafkaUnavailable(PermanentError):
    """No broker can be started on this machine as it is."""


class BrokerRunning(KafkaUnavailable):
    """The data folder has a broker, or another process is just starting it."""


class NotPermitted(PermanentError):
    """The data folder may not be written, or not be read."""


class DataDamaged(PermanentError):
    """A file of the warehouse is missing, or is not what it should be."""


class ServiceRunning(PermanentError):
    """Another process works on this data folder already, or has the port."""


class SourceFileMissing(PermanentError):
    """The source answers that there is no such file."""


class SourceRefused(PermanentError):
    """The source answers something that is not its data (a login page, an error page)."""


class SummaryFormatError(PermanentError):
    """A file is not in the format that this version knows."""


class SchemaRefused(PermanentError):
    """The schema registry takes our message schema to be incompatible with what it has."""


class QueryRefused(PermanentError):
    """A query is anything but one SELECT of the warehouse's tables."""


class QueryFailed(PermanentError):
    """DuckDB cannot answer a query: its syntax, a name in it, a value; or it was cancelled."""


class QueryLimit(PermanentError):
    """A query needs more time or memory than it may have."""


class FormatRefused(PermanentError):
    """An answer lacks columns, or sources, that the format asked for is made of."""


class ObjectRefused(PermanentError):
    """A name, a description or bytes that cannot be kept as an object."""


class ObjectMissing(PermanentError):
    """There is no such project, container, object or version."""


class ObjectConflict(PermanentError):
    """An object is not, or not any more, as the caller takes it to be."""


class DashboardRefused(PermanentError):
    """A document is no dashboard, or one of a later form."""


class DashboardMissing(PermanentError):
    """There is no such dashboard, or no such version of it."""


class DashboardConflict(PermanentError):
    """Somebody saved a dashboard since the version that a change stands on."""


class AccountRefused(PermanentError):
    """An account, a role or a token that there is not, or that cannot be."""


class Denied(PermanentError):
    """Who asks may not do that, or did not say who it is."""


class SnapshotGone(PermanentError):
    """A state of the warehouse that is not kept any more, or never was."""


class StreamGap(PermanentError):
    """Messages that were to be read next are gone from the topic, or it was rewound."""


class CountMismatch(PermanentError):
    """Rows read, accepted, rejected and written do not add up; nothing was committed."""
