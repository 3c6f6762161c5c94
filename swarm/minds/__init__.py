"""Plugs that answer typed questions."""
