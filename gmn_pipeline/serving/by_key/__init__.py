"""The newest state by key, beside the lake: one trajectory and the links of a station at once.

    rows.py      how a row is kept, and what rows of tables and views follow from it
    changes.py   what is asked of the lake: everything, or what came since
    file.py      the SQLite file: written whole, moved on in one transaction
    moving.py    what a set of changes makes of the file
    keeper.py    a thread that lets the file follow the lake
    reading.py   questions that are answered from it

The lake finds a row in 15 ms of processor time or more, whatever is asked of it. The file finds it
in a tenth of one. It is never asked but for the state on which it stands, and for anything that is
not in it the lake is asked: so it can be out of date, damaged, or not there at all, and no answer
is another one for that.

What does not belong here: pages, filters, former states, SQL of clients. They go to the lake.
"""
