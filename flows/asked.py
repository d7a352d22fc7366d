"""Whether a run that begins again was asked for in Prefect, or only taken up where its worker left it: pure."""

from collections.abc import Iterable
from typing import Any, Final

from prefect.client.schemas.objects import State

SILENT: Final = "The worker of this run fell silent."
"""Message of the state in which Prefect's automation schedules a run again."""
GIVEN_BACK: Final = "Given back: "
"""Begins the message of the state in which a worker schedules a run again."""
_WAITS: Final = frozenset({"Late", "AwaitingConcurrencySlot"})


def asked_again(history: Iterable[State[Any]]) -> bool:
    """Whether an operator had a run that had ended run once more: "Retry" in the UI, `prefect flow-run retry`.

    One that has been taken up since then goes on with what it was asked, or has ended its job already: a request
    counts once, also when a worker dies over it.
    """
    states = sorted(history, key=lambda state: state.timestamp)
    end = max((place for place, state in enumerate(states) if state.is_final()), default=len(states))
    scheduled = [state for state in states[end:] if state.is_scheduled() and state.name not in _WAITS]
    return len(scheduled) == 1 and not _ours(scheduled[0].message or "")


def _ours(message: str) -> bool:
    return message == SILENT or message.startswith(GIVEN_BACK)
