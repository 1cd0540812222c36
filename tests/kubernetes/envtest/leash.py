"""`python leash.py PARENT PROGRAM ARGUMENT...`: become the program, to be killed by the kernel when the parent dies.

So nothing outlives a test run that was killed itself. Where there is no prctl (no Linux), only an orderly end takes
the programs along.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone already")
    os.execv(sys.argv[2], sys.argv[2:])
