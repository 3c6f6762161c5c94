"""Families of environments, one file each; a file holds ``FAMILY`` and is found by its name."""
