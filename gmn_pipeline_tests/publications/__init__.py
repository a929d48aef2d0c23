"""What changed, to the topic."""
