"""Becomes TorchServe's Python worker, after asking the kernel to end it with its JVM.

A JVM that is killed cannot end its workers: one that is busy importing torch would live on for half a minute, waiting
for a connection. Usage, with nothing but the standard library: `torchserve_worker.py JVM_PID ARGUMENT…`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):  # the JVM was gone before we asked
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])  # noqa: S606  # the request survives exec
