"""swarm: an automated AI lab that you can run, scale and replay."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.analysis.run import Run, load_run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> object:
    """Imports what reads runs only when somebody asks for it: actors never do."""
    if name in __all__:
        import swarm.analysis.run as reading  # noqa: PLC0415  keeps `import swarm` light

        return getattr(reading, name)
    raise AttributeError(f"module 'swarm' has no attribute {name!r}")
