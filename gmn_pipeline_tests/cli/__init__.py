"""The command gmn."""
