"""Files whole and locked."""
