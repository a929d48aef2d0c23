"""Dashboards over HTTP: the documents, every version of them, and who reads them.

canned/      those that come along
rights.py    who may read, make, change and share one
callers.py   requests: who they are from, what they bring
answers.py   what the addresses of documents answer
access.py    private ones: shared with an account, or by a link that ends
routes.py    the addresses
"""

from gmn_pipeline.serving.dashboards.routes import ROUTES as ROUTES
