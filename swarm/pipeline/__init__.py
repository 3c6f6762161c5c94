"""The ship and the work done on it."""
