"""The operational database: what is neither lake nor stream, and is small."""
