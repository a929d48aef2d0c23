"""The portal in a real browser, on a real server."""
