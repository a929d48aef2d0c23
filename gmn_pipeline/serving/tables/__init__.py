"""Tables, views and ready questions over HTTP, in Datasette's grammar of addresses.

    relations.py   the tables and views that there are, and what orders their rows
    values.py      texts of a request as values of a column
    filters.py     `column__op=value` as conditions in SQL, values bound
    order.py       the order of rows, and going on after one of them (`_next`)
    facets.py      values of a column and how often each occurs
    shapes.py      rows and pages as JSON
    page.py        a page of a table as it is asked for
    answer.py      and what is answered
    station_links.py  the links of one station, which are kept by key
    exports.py     a whole table in any format
    as_of.py       which state is asked (`_as_of`)
    directory.py   which tables, columns, operators and states there are
    questions.py   ready questions
    sql.py         SQL of clients
    trajectory.py  one trajectory with its revisions, files and stations
    difference.py  what changed between two states, as a query
    changes.py     what has changed since a state, for mirrors
    addresses.py, routes.py     the addresses

Names come from `schemas/`, values are bound; text of clients (`_where`, `sql`) goes through
`serving/free_sql.py` into processes of its own.
"""
