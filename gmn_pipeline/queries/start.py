"""Start the process of a query.

What belongs here: what can be done before anything that takes long is imported. What does not:
talking to it (`process.py`).
"""

import os
import subprocess
import sys

# Nothing of the environment but what Python needs: no secret is there to be found.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


def start_worker() -> subprocess.Popen[bytes]:
    """A process that waits for a query; it ends when its input is closed."""
    return subprocess.Popen(
        # -P: no module is taken from the folder in which somebody happens to be.
        [sys.executable, "-P", "-m", "gmn_pipeline.queries"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        start_new_session=True,  # Ctrl-C is for the process that asks, which ends this one
    )
