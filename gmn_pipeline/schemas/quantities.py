"""What sensors measure: each quantity once, with its unit and the names that senders have for it.

What belongs here: a quantity's column, unit, hard limits and other names. A new quantity is a line
here: tables, messages, rollups, docs and pages follow. What does not: the tables of readings
(`station_readings.py`), and formats (`readers/station_readings/`).

What a sender tells beyond these is kept as it came, in the column `other_quantities`.

Limits are hard: a value beyond them cannot be real on Earth and refuses its record. They are wider
than the records of the World Meteorological Organization's archive of extremes
(https://wmo.asu.edu/content/world-meteorological-organization-global-weather-climate-extremes-archive)
by a sensor's error.
"""

from dataclasses import dataclass

from gmn_pipeline.schemas.fields import Field, Kind, Null


@dataclass(frozen=True)
class Quantity:
    """One quantity: `name` is its column's, `label` is for people, `spellings` are other names of
    it, in the same unit, that senders use."""

    name: str
    label: str
    meaning: str
    unit: str
    minimum: float | None
    maximum: float | None
    spellings: tuple[str, ...] = ()

    @property
    def field(self) -> Field:
        """Its column; a sender that has no such sensor leaves it null."""
        return Field(
            self.name, self.meaning, Kind.NUMBER, self.unit, null=Null.UNDEFINED,
            minimum=self.minimum, maximum=self.maximum,
        )  # fmt: skip


def _temperature(of: str, label: str, meaning: str, *spellings: str) -> Quantity:
    return Quantity(f"{of}temperature_deg_c", label, meaning, "deg C", -100, 150, spellings)


QUANTITIES = (
    _temperature("", "Temperature", "air temperature", "temperature", "temp", "air_temperature"),
    Quantity(
        "humidity_percent", "Humidity", "relative humidity of the air", "%", 0, 105,
        ("humidity", "relative_humidity", "rh"),
    ),
    Quantity(
        "pressure_hpa", "Pressure", "air pressure at the station, not reduced to sea level", "hPa",
        300, 1_100, ("pressure", "air_pressure", "barometric_pressure"),
    ),
    Quantity(
        "dew_point_deg_c", "Dew point", "dew point of the air, as the sensor tells it", "deg C",
        -100, 60, ("dew_point", "dewpoint"),
    ),
    _temperature("lens_", "Lens", "temperature of the camera's lens or window", "lens_temperature"),
    _temperature("camera_", "Camera", "temperature of the camera's board", "camera_temperature"),
    _temperature("cpu_", "CPU", "temperature of the computer's processor", "cpu_temperature"),
    _temperature("water_", "Water", "temperature of the water", "water_temperature"),
    _temperature("sky_", "Sky", "infrared temperature of the sky: cold where clear",
                 "sky_temperature"),
    Quantity(
        "sky_brightness_mag_arcsec2", "Sky brightness", "brightness of the night sky",
        "mag/arcsec^2", 0, 30, ("sky_brightness", "sqm"),
    ),
    Quantity("illuminance_lx", "Illuminance", "illuminance", "lx", 0, 200_000,
             ("illuminance", "lux")),
    Quantity("wind_speed_m_s", "Wind", "speed of the wind", "m/s", 0, 150, ("wind_speed",)),
    Quantity("wind_direction_deg", "Wind from", "direction that the wind comes from, from north "
             "over east", "deg", 0, 360, ("wind_direction",)),
    Quantity("rain_rate_mm_h", "Rain", "rate of rain", "mm/h", 0, 2_500, ("rain_rate", "rain")),
    Quantity("supply_voltage_v", "Supply", "voltage of the station's supply", "V", 0, 1_000,
             ("supply_voltage", "voltage")),
)  # fmt: skip

QUANTITY = {quantity.name: quantity for quantity in QUANTITIES}

NAME_OF_SPELLING = {
    spelling: quantity.name
    for quantity in QUANTITIES
    for spelling in (quantity.name, *quantity.spellings)
}
"""A quantity's name by each name that senders have for it."""
