"""Decode engines, one file each; ``swarm.pipeline.inference.engine`` says what an engine is."""
