"""When Python looks for garbage in cycles: rarely through everything, as all media waits meanwhile.

A full collection takes some 50 ms for 100,000 objects, and with Python's own settings one comes with each quarter that
a meeting grows. Knows nothing of what is collected.
"""

import contextlib
import gc
from collections.abc import Iterator

# After 700 new objects the youngest are looked through, after so many times those of before: 1 ms instead of 2.
BETWEEN_MIDDLE = 5
# And after so many times all: after 350,000 new objects, which 1500 clients are made of.
BETWEEN_FULL = 100


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """What there is by now is never looked through again, what comes only rarely."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0], BETWEEN_MIDDLE, BETWEEN_FULL)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
