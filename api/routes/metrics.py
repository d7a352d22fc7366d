"""What Prometheus reads."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.deps import DispatcherDep, RecordsDep
from api.scrape import scrape

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
async def get_metrics(records: RecordsDep, dispatcher: DispatcherDep) -> Response:
    """All metrics of this machine, as docs/operating.md lists them."""
    return Response(await scrape(records, dispatcher.lag), media_type=CONTENT_TYPE_LATEST)
