"""`storyreel`: everything from a terminal."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from tasks.options import AspectRatio, Duration, Model, Resolution, script_fault
from tasks.settings import Settings
from tasks.styles import DEFAULT_STYLE, STYLES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the studio and the API.")]
PrefectPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of Prefect's server and UI.")]
SandboxPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the sandbox.")]
Data = Annotated[Path | None, typer.Option(help="Folder of ledger and media; by default ./data or STORYREEL_DATA.")]
Api = Annotated[str, typer.Option(help="Where the API is.", envvar="STORYREEL_STUDIO_URL")]
Job = Annotated[UUID, typer.Argument(help="The job's id, as `storyreel jobs` lists it.")]
T = TypeVar("T")
EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "the-lighthouse-cat.txt"
STUDIO: Final = "http://127.0.0.1:8000"


def _fail(message: str, code: int = 1) -> typer.Exit:
    err.print(Text(message, style="red"), soft_wrap=True)  # as it is: a title may look like markup
    return typer.Exit(code)


def _settings(data: Path | None = None) -> Settings:
    from pydantic import ValidationError

    try:
        settings = Settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])  # an alias is the variable already
        variable = name if name.isupper() else f"STORYREEL_{name.upper()}"
        raise _fail(f"{variable} is not usable: {fault['msg']}.", 2) from error
    return settings.model_copy(update={"data": data}) if data else settings


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    prefect_port: PrefectPort = 4200,
    sandbox_port: SandboxPort = 8900,
    data: Data = None,
) -> None:
    """Run everything on this machine until Ctrl-C: Prefect server, API, worker; the sandbox when no Luma key is set."""
    from deployments.addresses import Addresses
    from deployments.showing import run_up

    _bring_up(run_up(_settings(data), Addresses(host, port, prefect_port, sandbox_port), out))


@app.command()
def demo(
    script: Annotated[Path, typer.Argument(help="The script to film.")] = EXAMPLE,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    prefect_port: PrefectPort = 4200,
    sandbox_port: SandboxPort = 8900,
    data: Annotated[Path | None, typer.Option(help="Folder of its ledger and media; by default ./data/demo.")] = None,
) -> None:
    """Start everything with the sandbox and film an example script; at a terminal it stays up until Ctrl-C."""
    from deployments.addresses import Addresses
    from deployments.showing import run_demo
    from deployments.stack import with_sandbox

    text = _read(script)
    if fault := script_fault(text):
        raise _fail(fault, 2)
    settings = _settings()
    safe = with_sandbox(settings, data or settings.data / "demo")
    raise typer.Exit(_bring_up(run_demo(safe, Addresses(host, port, prefect_port, sandbox_port).free(), text, out)))


@app.command()
def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run one API process."""
    import uvicorn

    from api.app import create_app
    from deployments.memory import keep_what_is_loaded
    from tasks import logs

    logs.set_up(_settings())
    served = create_app()
    keep_what_is_loaded()
    uvicorn.run(
        served,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than proxies keep theirs: who closes first may lose a request on its way
        timeout_graceful_shutdown=3,
    )


@app.command()
def worker(
    name: Annotated[str | None, typer.Option(help="The worker's name in Prefect; by default the machine's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="First make Prefect know the deployment.")] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to answer Prometheus on; by default none.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to answer Prometheus on.")] = "127.0.0.1",
) -> None:
    """Run one worker, the same as `prefect worker start --pool storyreel` but quicker to start."""
    import logging

    from tasks import logs, metrics

    logs.set_up(_settings())  # before Prefect is imported, which leaves the log to whoever has set it up
    if metrics_port is not None:
        try:
            metrics.serve(metrics_port, metrics_host)
        except OSError as error:
            raise _fail(f"Metrics can't be served on {metrics_host}:{metrics_port}: {error.strerror}.") from error
    from deployments.deploy import deploy_when_there
    from deployments.memory import keep_what_is_loaded
    from deployments.worker import run_worker

    say = logging.getLogger("deployments.worker").info

    async def run() -> int:
        if deploy:
            await deploy_when_there(_settings())
        return await run_worker(_settings(), name=name, limit=limit, ready=keep_what_is_loaded, printer=say)

    raise typer.Exit(asyncio.run(run()))


@app.command()
def deploy() -> None:
    """Make Prefect know the deployment, its work pool, limit and automations; safe to repeat."""
    import httpx

    from deployments.deploy import deploy as make_known

    settings = _settings()
    try:
        asyncio.run(make_known(settings))
    except httpx.HTTPError as error:
        raise _fail(f"Prefect can't be reached at {settings.prefect_api_url}: set PREFECT_API_URL.") from error
    out.print("Deployed generate-video/luma to the work pool storyreel.")


@app.command()
def migrate() -> None:
    """Bring the ledger's schema to the newest revision."""
    from api.database import AWAY, Database

    async def run() -> None:
        database = Database(_settings().ledger_url)
        await database.migrate()
        await database.close()

    try:
        asyncio.run(run())
    except AWAY as error:
        raise _fail("The ledger can't be reached.") from error
    out.print("The ledger's schema is current.")


@app.command()
def sandbox(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8900,
    config: Annotated[str, typer.Option(help="Settings as JSON, as PUT /_sandbox/config takes them.")] = "{}",
    state: Annotated[Path | None, typer.Option(help="File to remember generations and charges in.")] = None,
) -> None:
    """A Luma on this machine: Dream Machine under /dream-machine/v1, Agents under /v1, any key is accepted."""
    from pydantic import ValidationError

    from deployments.sandbox.app import run, server
    from deployments.sandbox.config import SandboxConfig

    try:
        chosen = SandboxConfig.model_validate_json(config)
    except ValidationError as error:
        raise _fail(f"--config is not usable: {error.errors()[0]['msg']}.", 2) from error
    made = server(host, port, chosen, state)
    about = "Dream Machine under /dream-machine/v1, Agents under /v1."
    made.announce = lambda at: out.print(f"Sandbox on {at}; {about}", soft_wrap=True)
    run(made)


@app.command()
def film(
    script: Annotated[Path, typer.Argument(help="A text or Fountain file; - reads standard input.")],
    title: Annotated[str | None, typer.Option(help="Title; made from the script when left out.")] = None,
    model: Annotated[Model, typer.Option(help="Luma's model.")] = Model.RAY_2,
    aspect_ratio: Annotated[AspectRatio, typer.Option(help="Shape of the film.")] = AspectRatio.WIDE,
    resolution: Annotated[Resolution, typer.Option(help="Height class.")] = Resolution.P720,
    duration: Annotated[Duration, typer.Option(help="Length of a scene.")] = Duration.NINE,
    style: Annotated[str, typer.Option(help=f"Style preset: {', '.join(STYLES)}.")] = DEFAULT_STYLE,
    max_scenes: Annotated[int, typer.Option(min=1, max=40, help="The most scenes.")] = 7,
    max_cost: Annotated[float | None, typer.Option(help="Refuse when it would cost more, in US dollars.")] = None,
    watch: Annotated[bool, typer.Option(help="Stay and show progress.")] = True,
    api: Api = STUDIO,
) -> None:
    """Send a script to a running API and follow its job."""
    options = {
        "model": model,
        "aspectRatio": aspect_ratio,
        "resolution": resolution,
        "duration": duration,
        "style": style,
        "maxScenes": max_scenes,
    }
    _follow(api, {"script": _read(script), "title": title, "options": options, "maxCostUsd": max_cost}, watch=watch)


@app.command(name="watch")
def watch_job(job_id: Job, api: Api = STUDIO) -> None:
    """Follow a job until it ends."""
    from deployments.following import follow

    raise typer.Exit(_talk(follow(api, str(job_id), out)))


@app.command()
def jobs(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As the API answers.")] = False,
    api: Api = STUDIO,
) -> None:
    """List jobs, newest first."""
    from deployments.following import ask, job_table

    page = _talk(ask(api, "GET", f"/api/jobs?limit={limit}"))
    out.print_json(json.dumps(page)) if as_json else out.print(job_table(page["jobs"], datetime.now().astimezone()))


@app.command()
def cancel(job_id: Job, api: Api = STUDIO) -> None:
    """End a job; what Luma has begun is spent."""
    _act(api, f"/api/job/{job_id}/cancel")


@app.command()
def retry(job_id: Job, api: Api = STUDIO) -> None:
    """Run an ended job again; only what is missing is paid for."""
    _act(api, f"/api/job/{job_id}/retry")


@app.command()
def reconcile(
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Give found generations to the attempts that lost them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data: Data = None,
) -> None:
    """Compare the ledger with Luma's list: every generation that only one of them knows, and its cost.

    Exits with 0 when they agree, 1 when they don't, 2 when they can't be compared.
    """
    from api.database import AWAY
    from deployments.differences import summary, table
    from deployments.reconcile import run
    from tasks.luma import LumaError

    try:
        compared, found = asyncio.run(run(_settings(data), adopting=adopt))
    except LumaError as error:
        raise _fail(str(error), 2) from error
    except AWAY as error:
        raise _fail("The ledger can't be reached.", 2) from error
    disagree = any(one.adopted is None for one in found)
    if as_json:
        out.print_json(
            json.dumps({"agree": not disagree, "compared": compared, "differences": [one.as_json() for one in found]})
        )
    else:
        if found:
            out.print(table(found))
        out.print(summary(compared, found), soft_wrap=True)
    raise typer.Exit(1 if disagree else 0)


def _read(script: Path) -> str:
    try:
        return typer.get_text_stream("stdin").read() if str(script) == "-" else script.read_text("utf-8")
    except OSError as error:
        raise _fail(f"{script} can't be read: {error.strerror}.", 2) from error
    except UnicodeDecodeError as error:
        raise _fail(f"{script} can't be read: it is not UTF-8 text.", 2) from error


def _talk(question: Coroutine[None, None, T]) -> T:
    from deployments.following import Refused

    try:
        return asyncio.run(question)
    except Refused as error:
        raise _fail(str(error)) from error
    except KeyboardInterrupt as error:
        raise _fail("Stopped watching; the job goes on.", 130) from error


def _bring_up(stack: Coroutine[None, None, T]) -> T:
    from deployments.following import Refused
    from deployments.stack import CANT_START

    try:
        return asyncio.run(stack)
    except (*CANT_START, Refused) as error:
        raise _fail(str(error) or "The parts did not get ready in time; see the logs in the data folder.") from error


def _follow(api: str, body: dict[str, Any], *, watch: bool) -> None:
    from deployments.following import ask, follow

    accepted = _talk(ask(api, "POST", "/api/generate", body))
    out.print(f"Job {accepted['jobId']}")
    if watch:
        raise typer.Exit(_talk(follow(api, accepted["jobId"], out)))


def _act(api: str, path: str) -> None:
    from deployments.following import ask

    answer = _talk(ask(api, "POST", path))
    out.print(f"Job {answer['jobId']} is {answer['status']}.")


if __name__ == "__main__":
    app()
