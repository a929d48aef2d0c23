"""Tests of the server, over HTTP on loopback."""
