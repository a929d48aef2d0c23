"""What the data is: every column, table and message, defined once."""
