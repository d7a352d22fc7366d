"""Walking Luma's list of generations, newest first, while rows come and go between its pages."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tasks.luma.errors import StrangeAnswer
from tasks.luma.wire import Generation, is_generation_id, parse_generation

PAGE: Final = 100  # rows asked for; the API's most
OVERLAP: Final = 10  # rows asked for again on the next page, so that removed rows can't hide others
_MOST_REMEMBERED: Final = 10_000  # rows by which a page is known to go on where the one before ended
_MOST_IDLE_PAGES: Final = 50  # in a row without a new generation: the list leads nowhere


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its rows in Luma's order, how many there were (also unreadable ones), whether more follow."""

    rows: list[Generation]
    count: int
    more: bool


def parse_page(data: object) -> Page:
    """A page from its JSON; rows without a usable id are left out. StrangeAnswer when it is no list of generations."""
    rows = data.get("generations") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(rows, list):
        raise StrangeAnswer("Luma's answer is not a list of generations.")
    more = data.get("has_more")
    return Page(
        rows=[parse_generation(row) for row in rows if _readable(row)],
        count=len(rows),
        more=more if isinstance(more, bool) else len(rows) >= PAGE,
    )


def _readable(row: Any) -> bool:
    return isinstance(row, dict) and is_generation_id(row.get("id"))


async def walk(page: Callable[[int], Awaitable[Page]], since: datetime | None) -> AsyncGenerator[Generation, None]:
    """Every generation not older than `since`, none twice; `page` answers the page that begins at an offset.

    New rows push old ones onto the next page, where they are skipped as seen. Removed rows pull others up past the
    offset: a page that holds nothing seen before is dropped, and the walk steps back.
    """
    seen: dict[str, None] = {}  # oldest first: a list of any length takes the same room
    offset = idle = 0
    while idle < _MOST_IDLE_PAGES:
        batch = await page(offset)
        fresh = [row for row in batch.rows if row.id not in seen]
        gap = offset > 0 and len(fresh) == len(batch.rows)  # also when the list ends before the offset now
        idle = 0 if fresh and not gap else idle + 1
        if gap:
            offset = max(0, offset - PAGE // 2)
            continue
        for row in fresh:
            seen[row.id] = None
            if since is None or row.created_at is None or row.created_at >= since:
                yield row
        while len(seen) > _MOST_REMEMBERED:
            del seen[next(iter(seen))]
        if not batch.count or not batch.more or _older(batch.rows, since):
            return
        offset += max(1, batch.count - OVERLAP)
    raise StrangeAnswer("Luma's list of generations has no end.")


def _older(rows: list[Generation], since: datetime | None) -> bool:
    """Whether the last dated row, and so all that follow, was created before `since`."""
    dated = [row.created_at for row in rows if row.created_at]
    return since is not None and bool(dated) and dated[-1] < since
