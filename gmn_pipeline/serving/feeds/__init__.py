"""Atom feeds: what is new, for feed readers.

    routes.py       the addresses, and what each feed is of
    entries.py      trajectories as entries: current ones, and those that are none any more
    change_log.py   every change as an entry
    event_names.py  which event a trajectory is of, under whatever identifier
    links.py        absolute links, from wherever the reader is
    atom.py         the document

What does not belong here: changes for programs (`tables/changes.py`, `events/`).
"""
