"""Dashboards for tests."""

from typing import Any


def document(title: str = "Perseids", **more: Any) -> dict[str, Any]:
    """A small one that is right."""
    panel = {
        "id": "a", "title": "By speed", "mark": "histogram", "width": 6, "x": "vgeo_km_s",
        "step": 1, "question": {"from": "table", "table": "trajectories"},
    }  # fmt: skip
    return {"version": 1, "title": title, "panels": [panel], **more}
