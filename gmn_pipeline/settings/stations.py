"""Settings of stations' readings on their way in.

What belongs here: what is listened to, limits, signatures, the spool. What does not: the topic
(`KafkaSettings`), and how readings are taken into the lake.
"""

from pathlib import Path

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class StationSettings(SettingsGroup):
    """Stations: how readings come in ('gmn stations')."""

    stations_receive_buffer_mb: float = Field(
        16.0, gt=0, description="Datagrams (MB) that the system may hold while the listener is "
        "busy. It holds no more than net.core.rmem_max: 'gmn stations status' says how much."
    )  # fmt: skip
    stations_queue_mb: float = Field(
        128.0, gt=0, description="Datagrams (MB) that may wait to be sent; those that come then "
        "are dropped and counted. One sender may have half of it."
    )  # fmt: skip
    stations_sender_per_s: float = Field(
        20_000.0, gt=0, description="Datagrams a second of one address; more are dropped and "
        "counted."
    )  # fmt: skip
    stations_refused_kept_per_s: float = Field(
        10.0, ge=0, description="Refused records a second of one sender that are kept as dead "
        "letters; more are counted only."
    )  # fmt: skip
    stations_keys_file: Path | None = Field(
        None, description="Keys of signed datagrams: a line for each, with key id, secret and the "
        "codes of the stations (or *) that it may speak for. Read anew when it changes."
    )  # fmt: skip
    stations_signed_only: bool = Field(False, description="Whether what is not signed is refused.")
    stations_replay_window_s: float = Field(
        300.0, gt=0, description="Seconds that the time of a signature may be from now."
    )
    stations_spool_mb: float = Field(
        2_000.0, ge=0, description="Readings (MB, on disk) that wait while Kafka is away; then "
        "datagrams are dropped and counted, and MQTT's broker has to wait. One sender of datagrams "
        "may have half of it. 0: none."
    )  # fmt: skip
    mqtt_host: str = Field("127.0.0.1", validation_alias="MQTT_HOST", description="MQTT's broker.")
    mqtt_port: int = Field(
        1883, ge=1, le=65_535, validation_alias="MQTT_PORT", description="Its port; 8883 with TLS."
    )
    mqtt_topic: str = Field(
        "stations/+/readings", validation_alias="MQTT_TOPIC", description="Topics of readings: "
        "where it has a +, there is the station's code."
    )  # fmt: skip
    mqtt_client_id: str = Field(
        "gmn-stations", validation_alias="MQTT_CLIENT_ID", description="Name of the session that "
        "the broker keeps while nobody listens."
    )  # fmt: skip
    mqtt_username: str | None = Field(
        None, validation_alias="MQTT_USERNAME", description="User name at the broker."
    )
    mqtt_password: SecretStr | None = Field(
        None, validation_alias="MQTT_PASSWORD", description="Password of that user."
    )
    mqtt_tls: bool = Field(
        False, validation_alias="MQTT_TLS", description="Whether the broker is reached by TLS."
    )
    mqtt_cafile: Path | None = Field(
        None, validation_alias="MQTT_CAFILE", description="Certificates (PEM) that sign the "
        "broker's, if the system's do not."
    )  # fmt: skip
