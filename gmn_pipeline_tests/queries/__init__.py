"""The one door for questions."""
