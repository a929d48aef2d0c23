"""Tests of the server, over HTTP on loopback, and of the formats of its answers."""
