"""Faults: what breaks, how often, how it shows, and published statistics of it as presets."""
