"""The memory of this process."""

import os
import resource
import sys


def peak():
    """Peak resident memory of this process in bytes. On Linux, getrusage includes the peak of the process that started it."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
