"""Publications: what changed in the warehouse, sent to the topic."""
