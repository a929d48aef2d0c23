"""`python -m gmn_pipeline.kafka.local_broker DATA_DIR` stops the broker of a data folder.

For the guard of a broker whose owner is gone (`process.py`); people have `gmn kafka stop`.
"""

import sys
from pathlib import Path

from gmn_pipeline.kafka.local_broker.process import running

broker = running(Path(sys.argv[1]))
if broker is not None:
    broker.stop()
