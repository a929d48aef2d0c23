"""The lake as files that go out."""
