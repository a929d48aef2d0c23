"""Tables of what is read out of objects: loading, mirror, graph."""
