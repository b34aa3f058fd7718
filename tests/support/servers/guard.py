"""Becomes the program that its arguments name, and dies with the process that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        # Kept over exec. Sent when the thread that forked ends: fixtures start servers in the main thread.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):
            sys.exit("the process that wanted this one is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
