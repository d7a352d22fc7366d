"""What may happen between a worker and Prefect."""

import asyncio
import contextlib
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes bytes on, and can refuse the events' sockets or everything."""

    host: str
    port: int
    events: bool = True
    open: bool = True
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.open and (self.events or b"/api/events/out" not in head):
                upstream, other = await asyncio.open_connection(self.host, self.port)
                self.writers.add(other)
                other.write(head)
                await asyncio.gather(_pipe(reader, other), _pipe(upstream, writer))
        writer.close()

    def away(self) -> None:
        """Break every connection and admit none."""
        self.open = False
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    def back(self) -> None:
        self.open = True


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
