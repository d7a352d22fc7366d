"""The clips that were drawn lately: made once, in a thread, and kept while there is room."""

import asyncio
from collections import OrderedDict
from functools import lru_cache
from typing import Final

from deployments.sandbox.drawing import DrawnClip, draw
from deployments.sandbox.generations import Order, Shape

ROOM_BYTES: Final = 96 * 1024 * 1024
CACHED_PROMPT: Final = "One clip for all"

_Key = tuple[str, Shape, str]


@lru_cache(maxsize=32)
def cached_clip(shape: Shape) -> DrawnClip:
    """The one clip of a shape that load tests get, drawn once per process."""
    return draw(CACHED_PROMPT, shape, footer(shape, "cached"))


def footer(shape: Shape, model: str) -> str:
    """The small print: nobody shall take a drawn clip for a generated one."""
    return f"Sandbox  ·  {model}  ·  {shape.width} × {shape.height}  ·  {shape.seconds} s"


class ClipStore:
    """Drawn clips by prompt and shape. Losing one costs only time: drawn again it has the same bytes."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room = room_bytes
        self._kept: OrderedDict[_Key, DrawnClip] = OrderedDict()
        self._drawing: dict[_Key, asyncio.Task[DrawnClip]] = {}
        self._one_at_a_time: asyncio.Semaphore | None = None

    async def clip(self, order: Order, *, cached: bool = False) -> DrawnClip:
        """The clip of an order; several that ask for it at once wait for one drawing."""
        if cached:
            return await self._cached(order.shape)
        key = (order.prompt, order.shape, order.model)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._drawing.get(key)
        if task is None:
            task = self._drawing[key] = asyncio.create_task(self._draw(key))
            task.add_done_callback(lambda _: self._drawing.pop(key, None))
        return await asyncio.shield(task)

    async def _cached(self, shape: Shape) -> DrawnClip:
        return await asyncio.to_thread(cached_clip, shape)

    async def _draw(self, key: _Key) -> DrawnClip:
        prompt, shape, model = key
        clip = await asyncio.to_thread(draw, prompt, shape, footer(shape, model))
        self._kept[key] = clip
        while (
            len(self._kept) > 1
            and sum(len(kept.video) + len(kept.thumbnail) for kept in self._kept.values()) > self._room
        ):
            self._kept.popitem(last=False)
        return clip
