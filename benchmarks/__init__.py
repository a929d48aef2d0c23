"""Tools that measure the pipeline; nothing in the pipeline imports them."""
