"""Sealed and audit benchmarks."""
