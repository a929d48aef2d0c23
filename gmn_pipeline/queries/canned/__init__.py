"""Questions that meteor people ask, with parameters: a `.sql` file for each.

What belongs here: the files, and reading their heads (`catalogue.py`). What does not: running
them; they go through the same door as any other question. A file begins with comments:

    -- title: Activity of a shower
    -- description: A sentence or some,
    --   which may go on in lines that are indented.
    -- parameter: shower | text | PER | | IAU code of the shower
    -- parameter: width_deg | number | 1 | deg | width of a step

Between the bars: name, type (`catalogue.TYPES`; after `choice` the texts that there are), default
(`required`: there is none; `null`: nothing), unit, meaning.
Then one SELECT, in which a parameter stands as `$shower`; its value is bound, never put into the
text. It runs in the warehouse and in `gmn.duckdb`, whose tables, views and macros are the same, so
it calls nothing that DuckDB 1.1 does not have.
"""
