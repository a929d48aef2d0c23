"""Cubes: how many trajectories there are by several quantities at once, for linked views.

    views.py      the views that there are: of which quantity, over which domain, in how many bins
    selection.py  what is selected in a view (`_brush`), and what it is looked at over (`_zoom`)
    basis.py      what has to be known before anything is counted: the top showers, the span of time
    asking.py     asking the lake for that
    query.py      the one query that counts
    rows.py       all rows in memory, by the steps that bins are made of
    keeper.py     of which states and filters they are kept
    counting.py   the same counts of them
    ahead.py      what everybody sees first, counted before somebody asks
    answer.py     the answer, as Arrow
    routes.py     the addresses

A view is counted under all brushes but its own. With an active view, all others are counted for
each of its pixels: whoever has that cube knows what any brush in the active view selects, by
differences of sums, and need not ask again (Moritz, Howe and Heer, "Falcon", CHI 2019).
"""
