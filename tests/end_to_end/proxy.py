"""What may happen between a worker and Prefect."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes bytes on, and can refuse the events' sockets or everything."""

    host: str
    port: int
    events: bool = True
    open: bool = True
    calls: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._pass_on(reader, writer))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)
        call.add_done_callback(lambda _: writer.transport.abort())  # also of one that never began

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.open and (self.events or b"/api/events/out" not in head):
                upstream, other = await asyncio.open_connection(self.host, self.port)
                async with _closing(other):
                    other.write(head)
                    await asyncio.gather(_pipe(reader, other), _pipe(upstream, writer))

    async def away(self) -> None:
        """Break every connection and admit none."""
        self.open = False
        calls = list(self.calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def back(self) -> None:
        self.open = True


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Break the connection at the end, whatever the other side has not read."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        try:
            yield
        finally:
            writer.transport.abort()
            await writer.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
