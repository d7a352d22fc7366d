"""`up` and `demo` as a person sees them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from rich.console import Console
from rich.text import Text

from deployments.addresses import Addresses
from deployments.following import ask, follow
from deployments.stack import needs_sandbox, stack, until_stopped
from deployments.supervisor import Supervisor
from tasks.media import MediaStore, media_url
from tasks.settings import Settings


async def run_up(settings: Settings, at: Addresses, console: Console) -> None:
    """The stack in the foreground, until it is told to stop. Raises `CANT_START`."""
    async with _stoppable(), _shown_stack(settings, at, console):
        _addresses(settings, at, console)
        console.print("Ctrl-C stops everything.")
        await asyncio.Event().wait()


async def run_demo(settings: Settings, at: Addresses, script: str, console: Console) -> int:
    """A film from a script, on a stack of its own → the exit code. Raises `CANT_START`, `Refused`."""
    code = 1
    async with _stoppable(), _shown_stack(settings, at, console):
        accepted = await ask(at.studio, "POST", "/api/generate", {"script": script})
        code = await follow(at.studio, accepted["jobId"], console)
        if code == 0:
            await _show_film(settings, at, accepted["jobId"], console)
        _addresses(settings, at, console)
        if console.is_terminal:
            console.print("Still running; Ctrl-C stops everything.")
            await asyncio.Event().wait()
    return code


@contextlib.asynccontextmanager
async def _stoppable() -> AsyncIterator[None]:
    """The block ends, quietly, at the first SIGINT or SIGTERM."""
    me = asyncio.current_task()
    stopping = asyncio.create_task(until_stopped())
    stopping.add_done_callback(lambda done: None if done.cancelled() or me is None else me.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if not stopping.done():
            raise
    finally:
        stopping.cancel()


@contextlib.asynccontextmanager
async def _shown_stack(settings: Settings, at: Addresses, console: Console) -> AsyncIterator[Supervisor]:
    begun, last = time.monotonic(), ""
    with console.status("Starting…") as status:

        def wait(what: str) -> None:
            nonlocal last
            status.update(f"Waiting for {what} ({time.monotonic() - begun:.0f} s)")
            if what != last and not console.is_terminal:
                console.print(f"Waiting for {what}")
            last = what

        async with stack(
            settings, at, lambda text: console.print(Text(text, style="yellow"), soft_wrap=True), wait
        ) as supervisor:
            status.stop()
            console.print(f"Ready after {time.monotonic() - begun:.1f} s.")
            yield supervisor
            console.print("Stopping…")


async def _show_film(settings: Settings, at: Addresses, job_id: str, console: Console) -> None:
    job = await ask(at.studio, "GET", f"/api/job/{job_id}")
    film = job["results"]["film"]
    path = MediaStore(settings.media).path(film["videoUrl"].removeprefix(media_url("")))
    console.print(f"\nFilm    {path}\nLength  {film['durationSeconds']:.1f} s", soft_wrap=True, markup=False)


def _addresses(settings: Settings, at: Addresses, console: Console) -> None:
    console.print(f"Studio  {at.studio}\nAPI     {at.docs}\nPrefect {at.prefect}")
    if needs_sandbox(settings):
        console.print(f"Luma    {at.sandbox} (sandbox: films are drawn here and cost nothing)")
