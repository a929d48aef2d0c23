"""The assets, a module for each dataset or stage of it.

What belongs here: keys, descriptions, checks, and the operations that call the work.
What does not: the work itself.
"""
