"""Settings of alerts.

What belongs here: where rules are, how often they are looked at, and who is told.
"""

from pathlib import Path

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class AlertSettings(SettingsGroup):
    """Alerts of stations: rules, how often they are looked at, and who is told."""

    alert_rules: Path | None = Field(
        None, description="File of rules (TOML, see alerts.md). Unset: no alerts."
    )
    alert_every_s: float = Field(
        10.0, gt=0, description="Seconds from one look at all rules to the next."
    )
    alert_timeout_s: float = Field(
        10.0, gt=0, description="Seconds that who is told may take to answer."
    )
    alert_webhook_url: SecretStr | None = Field(
        None, description="Address that notices are sent to as JSON, by POST."
    )
    alert_email_to: tuple[str, ...] = Field(
        (), description="Addresses that notices are sent to by email, as a JSON list."
    )
    alert_email_from: str = Field("gmn-pipeline@localhost", description="Sender of these emails.")
    alert_smtp_host: str = Field("127.0.0.1", description="Mail server that takes them.")
    alert_smtp_port: int = Field(25, ge=1, le=65_535, description="Its port.")
    alert_smtp_starttls: bool = Field(
        False, description="Whether to speak TLS with it, after STARTTLS."
    )
    alert_smtp_user: str | None = Field(None, description="User at the mail server, if any.")
    alert_smtp_password: SecretStr | None = Field(None, description="Password of that user.")
