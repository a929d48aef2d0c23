"""A server's process has few arenas: what is free in one is of no use to another."""

import subprocess
import sys

from gmn_pipeline.serving import memory
from gmn_pipeline_tests.support.absent import not_run

_AS_THE_COMMAND_DOES = """
import ctypes, sys, threading
import gmn_pipeline.cli.main, gmn_pipeline.cli.serve
assert not {"polars", "pyarrow"} & set(sys.modules)
gmn_pipeline.cli.serve.few_arenas()
import gmn_pipeline.serving.app
system = ctypes.CDLL(None)
threads = [threading.Thread(target=bytearray, args=(5_000,)) for _ in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
system.fopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(system.fopen(b"/dev/stdout", b"w"))
system.malloc_info(0, out)
system.fclose(out)
"""


def test_imports_start_threads_and_take_no_arenas() -> None:
    if not sys.platform.startswith("linux"):
        not_run("arenas are glibc's")
    command = [sys.executable, "-c", _AS_THE_COMMAND_DOES]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "<heap nr" not in told:
        not_run("this C library does not tell of its arenas")
    assert told.count("<heap nr") == memory._ARENAS
