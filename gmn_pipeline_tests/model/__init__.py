"""A model checker of the warehouse: what it must hold after anything that a source, a topic and an
operator can do.

    world.py     what the warehouse must hold: the rules in plain Python
    source.py    a small source on disk: few bins around a turn of the year, few rows each
    actions.py   what can be done, and random sequences of it
    checker.py   does it with a real data folder, and compares with the world after every step
    __main__.py  long runs; a sequence that fails is shrunk and printed as a test

    python -m gmn_pipeline_tests.model --steps 20000 --seed 7
"""
