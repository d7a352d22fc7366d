"""What tests of the page share: a person's gestures, and what that person sees."""

import re
import time
from collections.abc import Callable

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.end_to_end.running import Stack

STORY = """\
Every evening at seven, a ginger cat climbs the steps of the old lighthouse.

Tonight the lamp is dark, and fog comes in over the bay.

Light sweeps over the sea, and the boat turns home."""


def advance(stack: Stack, seconds: float) -> None:
    """Move the sandbox's clock, so that what takes its time there is done."""
    httpx.post(f"{stack.sandbox}/_sandbox/clock", json={"advance": seconds}, timeout=30).raise_for_status()


NewPage = Callable[..., Page]


QUICK = {
    "generation_seconds": 0.6,
    "clips": "cached",
    "dream_machine_creates_per_minute": 0,
}
"""Settings of the sandbox: one clip per shape, almost at once."""


PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
PATIENCE = 30_000  # ms until an expectation fails; the machine may be busy
expect.set_options(timeout=PATIENCE)


def tune(stack: Stack, **config: object) -> None:
    """Change the sandbox's settings."""
    httpx.put(f"{stack.sandbox}/_sandbox/config", json=config, timeout=30).raise_for_status()


def script(page: Page) -> Locator:
    """The script's text field."""
    return page.get_by_role("textbox", name="Script", exact=True)


def cards(page: Page) -> Locator:
    """The cards of the storyboard."""
    return page.locator(".card")


def scenes(page: Page) -> Locator:
    """The scenes of a job."""
    return page.locator(".scene")


def written(page: Page, text: str, count: int) -> None:
    """Write a script and wait for its storyboard."""
    script(page).fill(text)
    expect(cards(page)).to_have_count(count)
    settled(page)


def settled(page: Page) -> None:
    """Wait until the price is of what is shown."""
    expect(page.locator(".till .primary")).to_have_attribute("aria-disabled", "false")


def prompts(page: Page) -> list[str]:
    """The prompts as they are shown."""
    fields = page.locator(".card .prompt textarea")
    return [field.input_value() for field in fields.all()]


def words(page: Page) -> list[str]:
    """What happens in each scene, as shown."""
    return [field.input_value() for field in page.locator(".card .said textarea").all()]


def generated(page: Page) -> str:
    """Confirm, press Generate, arrive at the job's page → its id."""
    page.get_by_role("checkbox", name=re.compile("my own ideas")).check()
    settled(page)
    page.get_by_role("button", name=re.compile("^Generate for")).click()
    page.wait_for_url("**/jobs/*")
    return page.url.rsplit("/", 1)[1]


def make(studio: Stack, script: str, **more: object) -> str:
    """Begin a film without the page → its address."""
    job_id = studio.ask("POST", "/api/generate", json={"script": script, **more})["jobId"]
    return f"/jobs/{job_id}"


def step(page: Page) -> Locator:
    """What the job is doing, in words."""
    return page.locator(".step strong")


def link(page: Page) -> Locator:
    """How news arrive."""
    return page.locator(".facts .link")


UNPAINTED = "window.requestAnimationFrame = window.setTimeout = () => 0"


def and_reload(place: Locator, gesture: str) -> None:
    """Do this to `place` and reload before the page is painted again, as happens on a busy machine."""
    with place.page.expect_navigation():
        place.evaluate(f"place => {{ {UNPAINTED}; {gesture}; location.reload(); }}")


def eventually(ask: Callable[[], object], seconds: float = 20) -> None:
    """Wait until the answer is true. (Playwright's own waiting for a function is refused by the page's policy.)"""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


def fits(page: Page) -> bool:
    """Nothing sticks out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def plays(video: Locator, beyond: float) -> None:
    """The video advances beyond this many seconds."""
    eventually(lambda: video.evaluate("video => video.currentTime") > beyond)


def finished(page: Page, seconds: float = 120) -> None:
    """Wait for the film."""
    expect(step(page)).to_contain_text("Film ready", timeout=seconds * 1000)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, and see that it shows."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate(FOCUS_SHOWS), f"the focus on {selector} can't be seen"
            return
    raise AssertionError(f"Tab never reaches {selector}")


FOCUS_SHOWS = """() => {
  const place = document.activeElement, box = place.closest('.paper') ?? place;
  return getComputedStyle(place).outlineStyle !== 'none' || getComputedStyle(box).boxShadow !== 'none';
}"""
SHIFTS = """() => new Promise(done => {
  new PerformanceObserver(list => done(list.getEntries().reduce((sum, shift) => sum + shift.value, 0)))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(done, 500, 0);
})"""


def shifted(page: Page) -> float:
    """How much has jumped since the page was opened, whoever caused it: 0 is nothing, 1 the whole screen."""
    return float(page.evaluate(SHIFTS))


def accessible(page: Page, state: str) -> None:
    """Axe finds nothing in this state of the page."""
    found = Axe().run(page).response["violations"]
    nodes = [(fault["id"], node) for fault in found for node in fault["nodes"]]
    told = [f"{rule}: {node['html'][:160]} {node['failureSummary']}" for rule, node in nodes]
    assert told == [], f"{state}: {told}"
