"""Dashboards over HTTP: the documents, and every version of them.

canned/      those that come along
rights.py    who may read, make and change one
answers.py   what the addresses answer
routes.py    the addresses
"""

from gmn_pipeline.serving.dashboards.routes import ROUTES as ROUTES
