"""The sensors, a module for each of the things they look at.

What belongs here: comparing a state outside (a listing, offsets) with what was done already.
What does not: data. A sensor carries none: a run reads for itself.
"""
