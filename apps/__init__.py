"""Apps of medcl."""
