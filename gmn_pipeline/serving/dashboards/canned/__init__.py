"""The dashboards that come along: a `.json` file each, read by `catalogue.py`."""
