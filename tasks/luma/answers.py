"""What an answer of Luma's, or its absence, means: pure, one function for creates and one for everything else.

They differ because a create costs: for a question every doubt is a reason to ask again, for a create a reason to look.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from tasks.clock import now as present
from tasks.luma.errors import (
    AccountError,
    LumaError,
    RateLimited,
    RequestRefused,
    StrangeAnswer,
    SubmissionDoubted,
    Unavailable,
    Unreachable,
    brief,
)

NEVER_SENT: Final[tuple[type[Exception], ...]] = (
    httpx.ConnectError,  # refused, no such host, TLS handshake failed
    httpx.ConnectTimeout,
    httpx.PoolTimeout,  # no connection became free
    httpx.ProxyError,  # the proxy opened no tunnel
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,  # our own side refused to put a whole request on the wire
    httpx.InvalidURL,
)
"""After these no whole request can have left. Everything else that breaks a create is ambiguous: ReadTimeout,
WriteTimeout, ReadError, WriteError, RemoteProtocolError and CloseError may come after Luma has read the request."""

BROKEN: Final[tuple[type[Exception], ...]] = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
"""All that a call may raise. OSError: TLS faults in mid-stream reach us as they are, and so does our own time limit."""

NOT_FOUND: Final = "luma_not_found"
"""The code of RequestRefused when Luma itself says 404."""

_MOVED: Final = {301, 307, 308}
_NO_CREDITS = re.compile(r"(insufficient|not enough|out of|no) (credit|balance|fund)", re.IGNORECASE)
_NO_ROUTE: Final = {"", "not found", "method not allowed"}  # a web framework's words, not Luma's


def broken_create(error: Exception) -> LumaError:
    """The member for a create that got no answer."""
    if isinstance(error, NEVER_SENT):
        return Unreachable("Luma could not be reached, so nothing was begun.")
    return SubmissionDoubted(f"Luma's answer was lost ({type(error).__name__}); the scene may have been begun.")


def broken_read(error: Exception) -> LumaError:
    """The member for a question that got no answer."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return wrong_address()
    return Unavailable(f"Luma doesn't answer at the moment ({type(error).__name__}).")


def refused_create(response: httpx.Response, detail: str) -> LumaError | None:
    """The member for the answer to a create; None: it is a success to be parsed."""
    status = response.status_code
    if response.is_success:
        return None
    if status in _MOVED or (status in {404, 405} and detail.casefold() in _NO_ROUTE):
        return wrong_address()
    if status == 429:
        return RateLimited("Luma has too much to do for this account right now.", retry_after=retry_after(response))
    if status == 408 or not 400 <= status < 500:
        return SubmissionDoubted(f"Luma answered with an error (HTTP {status}); the scene may have been begun.")
    return account_trouble(response, detail) or RequestRefused(_because("Luma refused this scene", status, detail))


def refused_read(response: httpx.Response, detail: str) -> LumaError | None:
    """The member for the answer to a question; None: it is a success. Luma's own 404: RequestRefused with NOT_FOUND."""
    status = response.status_code
    if response.is_success:
        return None
    if status in {408, 425, 429} or status >= 500:
        return Unavailable(f"Luma doesn't answer at the moment (HTTP {status}).", retry_after=retry_after(response))
    if status in _MOVED:
        return wrong_address()
    if trouble := account_trouble(response, detail):
        return trouble
    if not detail:
        return StrangeAnswer(f"Luma answered with HTTP {status} and nothing that explains it.")
    return RequestRefused(
        _because("Luma refused a question", status, detail), code=NOT_FOUND if status == 404 else None
    )


def account_trouble(response: httpx.Response, detail: str) -> AccountError | None:
    """401, 402, 403, and a 400 that says credits are used up. An HTML 403 is some firewall's word on one request."""
    status = response.status_code
    if status == 401:
        return AccountError("Luma does not accept the API key; check LUMAAI_API_KEY.", code="luma_key_invalid")
    if status == 402 or (status == 400 and _NO_CREDITS.search(detail)):
        return AccountError("The Luma account has no credits left; add some and retry.", code="luma_no_credits")
    if status == 403 and not response.headers.get("content-type", "").startswith("text/html"):
        text = _because("Luma does not let this account generate", status, detail)
        return AccountError(text, code="luma_forbidden")
    return None


def wrong_address() -> AccountError:
    """Nothing at the configured address speaks Luma's API; it would be so for every scene."""
    return AccountError(
        "There is no Luma API at the configured address; check its base URL.", code="luma_address_wrong"
    )


def json_of(response: httpx.Response) -> Any:
    """The body as JSON; StrangeAnswer when it is HTML, cut short or nothing."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise StrangeAnswer(f"Luma's answer (HTTP {response.status_code}) is not JSON.") from error


def detail_of(response: httpx.Response, hide: str) -> str:
    """Luma's own words about an error, in one line without the secret `hide`; empty when there are none."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return ""
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, list):  # validation errors: one object each
        detail = "; ".join(str(item.get("msg", "")) for item in detail if isinstance(item, dict))
    return brief(detail.replace(hide, "…")) if isinstance(detail, str) else ""


def retry_after(response: httpx.Response, now: Callable[[], datetime] = present) -> float | None:
    """Seconds that the answer asks to wait (a number or a date); None when it doesn't say or can't be read."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now())
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(value: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return math.nan
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _because(text: str, status: int, detail: str) -> str:
    return f"{text}: {detail.rstrip('.')}." if detail else f"{text} (HTTP {status})."
