"""Runs one command and writes what it cost: `python -I -S launcher.py REPORT COMMAND...`.

A process of its own and small on purpose: the kernel counts the memory of its starter as the program's.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    report, *command = sys.argv[1:]
    started = time.perf_counter()
    code = subprocess.call(command)
    wall = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mebibytes": usage.ru_maxrss / 1024,
        "code": code,
    }
    Path(report).write_text(json.dumps(cost))
    return 0


if __name__ == "__main__":
    sys.exit(main())
