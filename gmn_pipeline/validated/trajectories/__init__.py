"""Validated trajectories: from landed summary files to rows that may be believed."""
