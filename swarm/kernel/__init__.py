"""The deterministic heart: envelopes, virtual time, windows, streams, roles, engine."""
