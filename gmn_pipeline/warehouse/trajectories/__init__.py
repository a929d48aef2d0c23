"""Trajectories in the warehouse.

files.py          validated slices of files, loaded in chunks
messages.py       a batch of messages, brought in by the same merge
publications.py   what the topic says of each trajectory, and what it does not say yet
"""
