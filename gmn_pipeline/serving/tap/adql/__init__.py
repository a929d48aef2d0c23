"""ADQL 2.1 into DuckDB's SQL.

    dialect.py     what ADQL's text means, by sqlglot
    names.py       tables, common table expressions, and what is known of columns
    functions.py   functions of ADQL and of the Virtual Observatory
    geometry.py    points, circles, boxes and polygons on the sphere
    units.py       IN_UNIT
    places.py      where in the text something is wrong
    translate.py   all of it

What is not listed here is refused. Whether the SQL that comes out may be run is judged once more
by `queries/statement.py`, which trusts nothing of this.
"""
