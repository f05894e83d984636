"""What the installed command runs, and `python -m reconciler`."""

from __future__ import annotations

import gc

OBJECTS_BETWEEN_COLLECTIONS = 200_000
"""Imports and flags are objects that stay and hold no cycles: looking at them after every 700, which is Python's own
figure, finds nothing and costs a fifteenth of a plan of 1,000 flags. Garbage is still found, some MiB later."""

gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)

from reconciler.cli.main import main  # noqa: E402 - imports are the first that would be looked at

if __name__ == "__main__":
    main()
