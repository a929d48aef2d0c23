"""Landing: the files of the source, byte for byte, every version kept."""
