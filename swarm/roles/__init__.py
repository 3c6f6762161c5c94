"""One file per role of the lab."""
