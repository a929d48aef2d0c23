"""Tables, views and ready questions over HTTP, in Datasette's grammar of addresses.

    relations.py   the tables and views that there are, and what orders their rows
    values.py      texts of a request as values of a column
    filters.py     `column__op=value` as conditions in SQL, values bound
    order.py       the order of rows, and going on after one of them (`_next`)
    facets.py      values of a column and how often each occurs
    shapes.py      rows and pages as JSON
    page.py        a page of a table
    exports.py     a whole table in any format
    as_of.py       which state is asked (`_as_of`)
    questions.py   ready questions
    trajectory.py  one trajectory with its revisions, files and stations
    difference.py  what changed between two states, as a query
    changes.py     what has changed since a state, for mirrors
    addresses.py, routes.py     the addresses

What does not belong here: text of clients in SQL. Names come from `schemas/`, values are bound.
"""
