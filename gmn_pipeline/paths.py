"""Folders as people name them."""

from contextlib import suppress
from pathlib import Path

from gmn_pipeline.errors import SettingsError


def resolved(folder: Path) -> Path:
    """A folder by its full path. `~` in front is a home; of nobody's, a letter, as in a shell."""
    with suppress(RuntimeError):
        folder = folder.expanduser()
    try:
        return folder.resolve()
    except (RuntimeError, OSError) as error:
        raise SettingsError(
            f"{folder} cannot be followed: {error}.",
            remedy="A link in it leads back to itself: give the folder's own path.",
        ) from error
