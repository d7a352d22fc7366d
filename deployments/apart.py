"""An event loop in a thread of its own, and what SIGTERM means to it."""

import asyncio
import contextlib
import contextvars
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

EXIT_CLEAN: Final = 0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)

Serve = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class _Apart:
    """The thread, its loop, and the event that asks it to stop."""

    def __init__(self, serve: Serve) -> None:
        self.loop = asyncio.new_event_loop()
        self.stop = asyncio.Event()
        self.ended = asyncio.get_running_loop().create_future()
        self._outer = asyncio.get_running_loop()
        context = contextvars.copy_context()
        # A daemon: a flow that refuses to end must not keep the process from ending.
        self._thread = threading.Thread(target=context.run, args=(self._main, serve), name="worker", daemon=True)
        self.start = self._thread.start

    def _main(self, serve: Serve) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(serve(self.stop))
        except BaseException as exc:  # noqa: BLE001 -- raised again by whoever awaits the end
            error = exc
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            self._outer.call_soon_threadsafe(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    def ask_to_stop(self) -> None:
        """Set the stop event, from any thread; once the loop has ended there is nothing to ask."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.stop.set)


async def run_apart(serve: Serve, *, patience: float) -> None:
    """Run `serve(stop)` in a thread with its own event loop until it returns.

    Prefect's engine replaces the handler of SIGTERM by one that raises wherever the main thread happens to be,
    unless the engine runs in another thread. So flows run here, and signals stay with the main thread: the first
    one sets `stop`, the second one ends the process at once. When `serve` has not returned `patience` seconds after
    it was asked to stop, it is left behind.
    """
    apart = _Apart(serve)
    asked = asyncio.Event()

    def ask() -> None:
        asked.set()
        apart.ask_to_stop()

    with _on_signal(ask):
        apart.start()
        try:
            waiting = asyncio.ensure_future(asked.wait())
            await asyncio.wait({apart.ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        finally:  # also when the caller is cancelled
            apart.ask_to_stop()
            await asyncio.wait({apart.ended}, timeout=patience)
        if not apart.ended.done():
            logger.error("Some runs did not end within %s s and are left behind", patience)
            return
        apart.ended.result()


async def leave(drain: Callable[[], object], *, patience: float) -> None:
    """Let `drain` send what is left to send, then return; end the process at once where that takes too long.

    Prefect's services drain without a limit when the interpreter exits: with Prefect away, that is many minutes.
    """
    loop = asyncio.get_running_loop()
    drained = asyncio.Event()

    def work() -> None:
        drain()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(drained.set)

    threading.Thread(target=work, daemon=True).start()
    try:
        async with asyncio.timeout(patience):
            await drained.wait()
    except TimeoutError:
        logger.warning("Prefect did not take the last logs and events")
        os._exit(EXIT_CLEAN)


@contextlib.contextmanager
def _on_signal(ask: Callable[[], None]) -> Iterator[None]:
    """Call `ask` on the first SIGTERM or SIGINT; only the main thread can, elsewhere signals are someone else's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def handle(signum: int) -> None:
        if seen:
            os._exit(128 + signum)
        seen.append(signum)
        ask()

    for signum in SIGNALS:
        loop.add_signal_handler(signum, handle, signum)
    try:
        yield
    finally:
        for signum in SIGNALS:
            loop.remove_signal_handler(signum)
