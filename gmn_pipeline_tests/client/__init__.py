"""Tests of the client for Python, of the pages for clients, and of the notebooks."""
