"""The memory of a process that serves for long."""

import gc
from typing import Final

_SELDOM: Final = (10_000, 20, 50)
"""New objects before a collection, and collections of one generation before one of the next. With Python's own 700, 10
and 10, a twelfth of what Prefect's server took went into collections that found next to nothing."""


def keep_what_is_loaded() -> None:
    """Leave modules, routes and models out of all later garbage collections, and have few of them.

    They never become garbage, and a full collection that looks through them stops everything for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_SELDOM)
