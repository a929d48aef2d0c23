"""The command `gmn`, a module for each of its commands.

What belongs here: arguments, progress and how an answer looks. What does not: the work.
"""
