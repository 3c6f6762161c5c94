"""One file per runnable lab.

Code stands here against S9 for one reason: ``python -m swarm.scenarios.<typo>`` imports this
package and then fails inside Python, with exit code 1 and without the names that there are.
"""

import sys
from pathlib import Path


def _expect_known() -> None:
    """Ends the process with one sentence if it was started for a scenario that is not there."""
    prefix = f"{__name__}."
    for flag, wanted in zip(sys.orig_argv, sys.orig_argv[1:], strict=False):
        if flag == "-m" and wanted.startswith(prefix):
            files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
            runnable = [file.stem for file in files if "__main__" in file.read_text()]
            if wanted.removeprefix(prefix) not in runnable:
                names = ", ".join(runnable)
                sys.stderr.write(f"error: no scenario is named {wanted!r}; there are {names}\n")
                sys.exit(2)


_expect_known()
