"""The clips that were drawn lately: made once, in a thread, and kept while there is room."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from deployments.sandbox.drawing import DrawnClip, draw
from deployments.sandbox.generations import Order, Shape

ROOM_BYTES: Final = 96 * 1024 * 1024
CACHED_PROMPT: Final = "One clip for all"

_Key = tuple[str, Shape, str]

_ONE_FOR_ALL: Final[dict[Shape, DrawnClip]] = {}
_DRAWERS: Final = ThreadPoolExecutor(2, thread_name_prefix="draw")  # encoding runs outside the interpreter's lock


def footer(shape: Shape, model: str) -> str:
    """The small print: nobody shall take a drawn clip for a generated one."""
    return f"Sandbox  ·  {model}  ·  {shape.width} × {shape.height}  ·  {shape.seconds} s"


def cached_clip(shape: Shape) -> DrawnClip:
    """The one clip of a shape that load tests get; once drawn it is served without a thread, for the whole process."""
    if shape not in _ONE_FOR_ALL:
        _ONE_FOR_ALL[shape] = draw(CACHED_PROMPT, shape, footer(shape, "cached"))
    return _ONE_FOR_ALL[shape]


class ClipStore:
    """Drawn clips by prompt and shape. Losing one costs only time: drawn again it has the same bytes."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room = room_bytes
        self._kept: OrderedDict[_Key, DrawnClip] = OrderedDict()
        self._drawing: dict[_Key, asyncio.Task[DrawnClip]] = {}

    async def clip(self, order: Order, *, cached: bool = False) -> DrawnClip:
        """The clip of an order; several that ask for it at once wait for one drawing."""
        if cached and order.shape in _ONE_FOR_ALL:
            return _ONE_FOR_ALL[order.shape]
        if cached:
            return await asyncio.get_running_loop().run_in_executor(_DRAWERS, cached_clip, order.shape)
        if (kept := self._kept.get(_key(order))) is not None:
            self._kept.move_to_end(_key(order))
            return kept
        # A client that gives up must not take the drawing away from the others.
        return await asyncio.shield(self.begin(order))

    def begin(self, order: Order) -> asyncio.Task[DrawnClip]:
        """Start to draw, or find the drawing that is under way."""
        key = _key(order)
        if key not in self._drawing:
            task = self._drawing[key] = asyncio.create_task(self._draw(key))
            task.add_done_callback(lambda _: self._drawing.pop(key, None))
        return self._drawing[key]

    def begin_ahead(self, order: Order) -> None:
        """Draw before anyone asks, unless it is there."""
        if _key(order) not in self._kept:
            self.begin(order)

    async def aclose(self) -> None:
        """Give up what is being drawn."""
        tasks = list(self._drawing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _draw(self, key: _Key) -> DrawnClip:
        prompt, shape, model = key
        work = partial(draw, prompt, shape, footer(shape, model))
        clip = self._kept[key] = await asyncio.get_running_loop().run_in_executor(_DRAWERS, work)
        while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self._room:
            self._kept.popitem(last=False)
        return clip


def _key(order: Order) -> _Key:
    return order.prompt, order.shape, order.model


def _size(clip: DrawnClip) -> int:
    return len(clip.video) + len(clip.thumbnail)
