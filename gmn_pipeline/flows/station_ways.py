"""The ways that readings come in by, as the settings have them.

What belongs here: a source, a reader and the rules of signatures, put together. What does not: what
each of them does, and what becomes of readings (`station_listener.py`).
"""

from collections.abc import Callable, Sequence

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.flows.station_listener import Reader, Way
from gmn_pipeline.readers.station_readings.line_protocol import read_line_protocol
from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import ReadBatch, Received, Transport
from gmn_pipeline.readers.station_readings.signed import Rules, opened
from gmn_pipeline.settings import StationSettings
from gmn_pipeline.sources.datagrams import DatagramSource
from gmn_pipeline.sources.mqtt import Broker, MqttSource
from gmn_pipeline.sources.station_keys import StationKeys

_FORMATS: dict[Transport, Callable[[Sequence[Received], Transport], ReadBatch]] = {
    Transport.UDP: read_ndjson,
    Transport.LINE_PROTOCOL: read_line_protocol,
    Transport.MQTT: read_ndjson,
}
_UDP_GATHER_S, _MQTT_GATHER_S = 0.05, 0.002


def datagram_way(
    settings: StationSettings, host: str, port: int, transport: Transport = Transport.UDP
) -> Way:
    """Datagrams at a port."""
    read = _reader(settings, transport)
    source = DatagramSource(
        host,
        port,
        buffer_mb=settings.stations_receive_buffer_mb,
        queue_mb=settings.stations_queue_mb,
        sender_per_s=settings.stations_sender_per_s,
    )
    return Way(transport, source, read, _UDP_GATHER_S)


def mqtt_way(settings: StationSettings) -> Way:
    """Messages of a broker. It sends few before they are acknowledged, so none is waited for."""
    password = settings.mqtt_password
    broker = Broker(
        settings.mqtt_host,
        settings.mqtt_port,
        settings.mqtt_topic,
        settings.mqtt_client_id,
        settings.mqtt_username,
        password.get_secret_value() if password else None,
        settings.mqtt_tls,
        settings.mqtt_cafile,
    )
    return Way(
        Transport.MQTT, MqttSource(broker), _reader(settings, Transport.MQTT), _MQTT_GATHER_S
    )


def _reader(settings: StationSettings, transport: Transport) -> Reader:
    """A reader of payloads, signed or not."""
    read, keys = _FORMATS[transport], _keys(settings)

    def read_opened(received: Sequence[Received]) -> ReadBatch:
        rules = Rules(
            keys.current() if keys else {},
            settings.stations_signed_only,
            settings.stations_replay_window_s,
        )
        good, refused = opened(received, rules)
        batch = read(good, transport)
        return ReadBatch(batch.rows, refused + batch.refused)

    return read_opened


def _keys(settings: StationSettings) -> StationKeys | None:
    if settings.stations_keys_file is not None:
        return StationKeys(settings.stations_keys_file)
    if settings.stations_signed_only:
        raise SettingsError(
            "Only what is signed is to be taken, and there are no keys.",
            remedy="Set GMN_STATIONS_KEYS_FILE.",
        )
    return None
