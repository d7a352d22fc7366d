"""A job in the terminal: asks the API as any client would."""

import asyncio
from datetime import datetime
from typing import Any, Final

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from tasks.settings import on_loopback

POLL_EVERY: Final = 0.5  # seconds
ENDED: Final = ("completed", "failed", "cancelled")
_MARKS: Final = {"pending": "·", "generating": "●", "completed": "✓", "failed": "✗"}
_COLOURS: Final = {
    "pending": "dim",
    "generating": "yellow",
    "completed": "green",
    "failed": "red",
    "queued": "dim",
    "processing": "yellow",
    "cancelling": "yellow",
    "cancelled": "dim",
}


class Refused(Exception):
    """The API said no, or nothing; the text is one sentence."""


async def ask(api: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the API → its JSON. Raises `Refused`."""
    async with _client(api) as client:
        return await _ask(client, method, path, body)


def _client(api: str) -> httpx.AsyncClient:
    """A proxy that is set for the internet can't reach this machine."""
    try:
        return httpx.AsyncClient(base_url=api, timeout=30, trust_env=not on_loopback(api))
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused(f"{api} is not the address of an API.") from error


async def _ask(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    try:
        answer = await client.request(method, path, json=body)
        found = answer.json()
    except httpx.TransportError as error:
        raise Refused(f"No Storyreel answers at {client.base_url}; start one with “storyreel up”.") from error
    except ValueError as error:
        raise Refused(f"What answers at {client.base_url} is not Storyreel.") from error
    if answer.is_error:
        told = found.get("detail") if isinstance(found, dict) else None
        raise Refused(str(told or f"The API answered {answer.status_code}."))
    return found


async def follow(api: str, job_id: str, console: Console) -> int:
    """Show a job until it ends → 0 for a film, 1 for none. Outlives an API that is away for a while."""
    async with _client(api) as client:
        job = await _ask(client, "GET", f"/api/job/{job_id}")
        drawn = (await _ask(client, "GET", "/api/capabilities"))["sandbox"]
        shown: set[str] = set()
        with Live(view(job), console=console, refresh_per_second=8, transient=False) as live:
            while job["status"] not in ENDED:
                await asyncio.sleep(POLL_EVERY)
                try:
                    job = await _ask(client, "GET", f"/api/job/{job_id}")
                except Refused:
                    continue
                live.update(view(job))
                _say_steps(job, shown, console)
    if not console.is_terminal:  # there the last picture ends without one
        console.line()
    return _verdict(job, api, console, drawn=drawn)


def _say_steps(job: dict[str, Any], shown: set[str], console: Console) -> None:
    """Where nothing can be redrawn, say each step once."""
    if not console.is_terminal and job["currentStep"] not in shown:
        shown.add(job["currentStep"])
        console.print(f"{job['progress']:3d} %  {job['currentStep']}")


def view(job: dict[str, Any]) -> Group:
    """A bar for the job and a line for each scene."""
    head = Table.grid(padding=(0, 1))
    head.add_row(
        ProgressBar(total=100, completed=job["progress"], width=40), f"{job['progress']:3d} %", job["currentStep"]
    )
    lines = [_scene_line(scene) for scene in (job["results"] or {"scenes": []})["scenes"]]
    return Group(Text(job["title"], style="bold"), head, *lines)


def _scene_line(scene: dict[str, Any]) -> Text:
    colour = _COLOURS.get(scene["status"], "")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {_MARKS.get(scene['status'], '?')} {scene['sceneNumber']:2d} ", style=colour)
    text.append(f"{scene['status']:<10} ", style=colour)
    text.append(scene["error"] or " ".join(scene["description"].split()), style="red" if scene["error"] else "")
    return text


def _verdict(job: dict[str, Any], api: str, console: Console, *, drawn: bool) -> int:
    film = (job["results"] or {}).get("film")
    if job["status"] == "completed" and film:
        told = f": {film['durationSeconds']:.1f} s, {_price(job['cost'], drawn=drawn)}  {api}{film['videoUrl']}"
        console.print(Text.assemble(("Film ready", "green"), told), soft_wrap=True)
        return 0
    console.print(Text.assemble(("No film", "red"), f": {job['error'] or job['currentStep']}"), soft_wrap=True)
    return 1


def _price(cost: dict[str, float], *, drawn: bool) -> str:
    dollars = f"${cost['spentUsd'] - cost['refundedUsd']:.2f}"
    return f"{dollars} at Luma, nothing in the sandbox" if drawn else dollars


def job_table(jobs: list[dict[str, Any]], now: datetime) -> Table:
    """A line for each job, its id always whole; `now` says in whose time zone and what is today."""
    table = Table(
        Column("job", no_wrap=True, min_width=36),
        Column("status", no_wrap=True),
        Column(no_wrap=True, justify="right"),
        Column("created", no_wrap=True),
        Column("title", no_wrap=True, ratio=1),
        box=SIMPLE_HEAD,
        expand=True,
        pad_edge=False,
    )
    for job in jobs:
        status = Text(job["status"], style=_COLOURS.get(job["status"], "green"))
        created = _when(datetime.fromisoformat(job["createdAt"]), now)
        table.add_row(job["jobId"], status, f"{job['progress']} %", created, Text(job["title"]))
    return table


def _when(moment: datetime, now: datetime) -> str:
    """The time of a moment today, the day of one before."""
    here = moment.astimezone(now.tzinfo)
    return f"{here:%H:%M}" if here.date() == now.date() else f"{here:%Y-%m-%d}"
