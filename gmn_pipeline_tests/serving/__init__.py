"""The formats that answers go out in, and what serves them."""
