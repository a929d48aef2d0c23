"""What a group of settings is.

What belongs here: the class that groups inherit. What does not: settings.
"""

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsGroup(BaseSettings):
    """Settings of one subject. What needs only these takes its group, of which all `Settings` are
    one: a signature says what is used."""

    model_config = SettingsConfigDict(
        env_prefix="GMN_",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        defer_build=True,  # a process uses one or two of the groups, and imports them all
    )

    @classmethod
    def heading(cls) -> str:
        """The subject: the first words of the docstring."""
        return (cls.__doc__ or "").split(":")[0]

    @classmethod
    def own_fields(cls) -> dict[str, FieldInfo]:
        """The settings that this group adds to those it builds on, by name."""
        inherited = {name for base in cls.__bases__ for name in getattr(base, "model_fields", {})}
        return {name: f for name, f in cls.model_fields.items() if name not in inherited}
