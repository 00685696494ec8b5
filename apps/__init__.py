"""Apps on top of the library."""
