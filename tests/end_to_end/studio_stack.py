"""A browser in front of the running stack, for the tests of the studio page."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

from tests.end_to_end.running import Stack
from tests.end_to_end.studio import PATIENCE, QUICK, NewPage, tune
from tests.machine import chromium_program

QUIETLY = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture
def studio(stack: Stack) -> Iterator[Stack]:
    """The stack with a quick sandbox; afterwards the sandbox is as it was."""
    before = httpx.get(f"{stack.sandbox}/_sandbox/config", timeout=30).json()
    tune(stack, **QUICK)
    yield stack
    tune(stack, **{name: before[name] for name in QUICK})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one per module: Playwright's loop must have ended before another module's tests run their own."""
    with sync_playwright() as playwright:
        browser = launch(playwright, chromium_program())
        yield browser
        browser.close()


def launch(playwright: Playwright, path: str | None) -> Browser:
    """Chromium at this path, else Playwright's own. Without one: a failure in CI, elsewhere a skip that says so."""
    try:
        return playwright.chromium.launch(executable_path=path, args=QUIETLY)
    except Error as error:
        why = "no Chromium: install the system's `chromium` package or run `playwright install chromium`"
        if os.environ.get("CI") == "true":
            raise AssertionError(why) from error
        pytest.skip(why)


class Watch:
    """Notes what must never happen on any page: script errors, refused content, requests to elsewhere."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.faults: list[str] = []

    def over(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        cut = "Failed to load resource" in message.text or "ERR_" in message.text  # a test cut the line
        if message.type in ("error", "warning") and not cut:
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.home, "blob:", "data:")):
            self.faults.append(f"request to {request.url}")


@pytest.fixture
def new_page(browser: Browser, studio: Stack) -> Iterator[NewPage]:
    """Opens pages, each in a browser profile of its own; at the end nothing may have gone wrong on any."""
    watch, contexts = Watch(studio.api), list[BrowserContext]()

    def open_page(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=studio.api, **{"viewport": {"width": 1280, "height": 860}, **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = watch.over(context.new_page())
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert watch.faults == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """The first page of the studio."""
    return new_page()
