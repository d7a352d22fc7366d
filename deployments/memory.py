"""The memory of a process that serves for long."""

import gc


def keep_what_is_loaded() -> None:
    """Leave modules, routes and models out of all later garbage collections.

    They never become garbage, and a full collection that looks through them stops everything for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
