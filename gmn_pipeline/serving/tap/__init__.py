"""The Virtual Observatory's Table Access Protocol: TAP 1.1 at `/tap`, and EPN-TAP 2.0 in it.

    adql/          ADQL into DuckDB's SQL
    relations.py   what there is to ask, as the protocol describes it
    tap_schema.py  the same as tables, TAP_SCHEMA
    epn_core.py    trajectories as EPN-TAP has them: derived here and nowhere else
    requests.py    parameters by address or form, as DALI wants them read
    questions.py   a request for a query: text, limit of rows, format; parameters.py
    results.py     running a question, and writing its answer into a file
    sync.py        answers at once
    jobs/          answers that are waited for: UWS 1.1
    vosi.py        capabilities, availability, tables; examples.py
    routes.py      the addresses

What does not belong here: running text of clients (`queries/`, by `serving/work.py`), and VOTable
itself (`serving/formats/votable.py`).
"""
