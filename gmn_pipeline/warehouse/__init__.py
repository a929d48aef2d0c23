"""Warehouse: current trajectories, all their former states, and where each came from."""
