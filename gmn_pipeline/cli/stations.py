"""`gmn stations`: readings of stations, from their senders to pages and alerts.

What belongs here: which commands there are. What does not: commands themselves.
"""

from gmn_pipeline.cli.lazy import group

app = group(
    {
        "listen": ("stations_listen", "listen"),
        "mqtt": ("stations_listen", "mqtt"),
        "database": ("stations_database", "database"),
        "take-in": ("stations_take_in", "take_in"),
        "status": ("stations_status", "status"),
        "alert": ("stations_alert", "alert"),
        "annotate": ("stations_annotate", "annotate"),
        "annotations": ("stations_annotate", "annotations"),
        "withdraw-annotation": ("stations_annotate", "withdraw"),
        "simulate": ("stations_simulate", "simulate"),
        "all": ("stations_all", "all_parts"),
    },
    "Readings of stations, as they come.",
)
