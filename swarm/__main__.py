"""``python -m swarm``: the commands, or a word about what is not installed."""

import sys
from pathlib import Path

from swarm.analysis.machine import examine


def main() -> None:
    """Runs the command line; the doctor also where libraries are missing."""
    try:
        from swarm.cli import main as run_commands  # noqa: PLC0415  may not be importable
    except ImportError as missing:
        if sys.argv[1:2] == ["doctor"]:
            sys.stdout.write("\n".join(examine(Path.cwd()).lines()) + "\n")
        sys.stderr.write(f"error: {missing}; run make venv\n")
        sys.exit(1)
    run_commands()


if __name__ == "__main__":
    main()
