"""Trajectories in the warehouse, beside what files bring (`store.py`).

messages.py       a batch of messages, brought in by the merge of files
publications.py   what the topic says of each trajectory, and what it does not say yet
"""
