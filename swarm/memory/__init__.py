"""Markdown notebooks and recall."""
