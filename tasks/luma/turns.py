"""Whose turn it is: jobs take turns, and within a job the oldest goes first."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue of waiters that is round robin by job, so that no job waits for another's whole queue.

    A waiter that had its turn and was turned away outside comes back at the very front.
    """

    def __init__(self) -> None:
        self._front: deque[tuple[Hashable, T]] = deque()
        self._ring: OrderedDict[Hashable, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._front) + sum(map(len, self._ring.values()))

    def __bool__(self) -> bool:
        return bool(self._front or self._ring)

    @property
    def jobs(self) -> int:
        """How many jobs have a waiter."""
        return len({job for job, _ in self._front} | self._ring.keys()) if self._front else len(self._ring)

    def join(self, job: Hashable, waiter: T) -> None:
        """Wait behind the job's own; a job new to the ring begins at its end."""
        self._ring.setdefault(job, deque()).append(waiter)

    def rejoin(self, job: Hashable, waiter: T) -> None:
        """Wait before all that are in the ring, behind those who came back earlier."""
        self._front.append((job, waiter))

    def first(self) -> T:
        """Who is next; IndexError when nobody waits."""
        if self._front:
            return self._front[0][1]
        if not self._ring:
            raise IndexError("nobody waits")
        return next(iter(self._ring.values()))[0]

    def pop(self) -> T:
        """Take who is next; its job goes to the end of the ring. IndexError when nobody waits."""
        waiter = self.first()
        if self._front:
            self._front.popleft()
            return waiter
        job, waiters = next(iter(self._ring.items()))
        waiters.popleft()
        if waiters:
            self._ring.move_to_end(job)
        else:
            del self._ring[job]
        return waiter

    def leave(self, job: Hashable, waiter: T) -> None:
        """Stop waiting; nothing happens to one who doesn't."""
        if (job, waiter) in self._front:
            self._front.remove((job, waiter))
        elif waiter in (waiters := self._ring.get(job, deque())):
            waiters.remove(waiter)
            if not waiters:
                del self._ring[job]

    def places(self) -> dict[Hashable, int]:
        """Each waiting job's place: its first waiter gets the n-th slot from now."""
        order = [job for job, _ in self._front] + list(self._ring)
        return {job: place for place, job in reversed(list(enumerate(order, 1)))}
