"""Settings for every test: hypothesis without deadlines, because shared machines are slow."""

from hypothesis import settings

settings.register_profile("swarm", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("swarm")
