"""Serving: the warehouse over HTTP, and the formats that answers go out in."""
