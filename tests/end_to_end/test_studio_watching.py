"""The page in a browser: watch a film being made, through reloads, lost streams, restarts and sleep."""

import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.end_to_end.running import Stack
from tests.end_to_end.studio import (
    PHONE,
    STORY,
    NewPage,
    accessible,
    advance,
    eventually,
    finished,
    fits,
    generated,
    link,
    make,
    scenes,
    shifted,
    step,
    tune,
    written,
)

pytest_plugins = ["tests.end_to_end.studio_stack"]

SLOW = STORY.replace("the boat turns home", "the boat turns home [slow:900]")
"""Its last scene comes when the test says so."""
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


TIMING = """async ([words, job, seconds]) => {
  const start = Date.parse(job.startedAt);
  return (await import(words)).timing(job, start + 1000 * seconds, start);
}"""


def four_minutes_later(route: Route) -> None:
    """The API's own answer, by a clock that is four minutes ahead; the page goes by the API's clock."""
    answer = route.fetch()
    moment = parsedate_to_datetime(answer.headers["date"]) + timedelta(minutes=4)
    route.fulfill(response=answer, headers=answer.headers | {"date": format_datetime(moment, usegmt=True)})


def progress(page: Page) -> int:
    return int(page.get_by_role("progressbar").evaluate("bar => bar.value"))


@pytest.mark.parametrize("options", [pytest.param({}, id="wide"), pytest.param(PHONE, id="phone")])
def test_scenes_arrive_one_by_one_and_nothing_jumps(new_page: NewPage, studio: Stack, options: dict[str, Any]) -> None:
    page = new_page("/library", **options)
    page.goto(
        make(studio, SLOW.replace("a ginger", "a [slow:300] ginger").replace("fog comes", "fog [slow:600] comes"))
    )
    expect(page.locator(".scene.generating")).to_have_count(3)
    advance(studio, 300)
    expect(page.locator(".scene.completed")).to_have_count(1)
    expect(step(page)).to_have_text("Generating scene 2/3")
    expect(page.locator(".step span")).to_have_text(re.compile(r"^\d+ s so far, (about|a few|longer)"))
    expect(page.get_by_role("status").filter(has_text="Scene 1 of 3 is ready.")).to_be_attached()
    clip = scenes(page).first.locator("video")
    eventually(lambda: clip.evaluate("video => video.currentTime") > 0.2)
    expect(scenes(page).nth(2).locator(".standing")).to_have_text(re.compile(r"^Generating\d+ s$"))
    half = progress(page)
    advance(studio, 900)
    finished(page)
    expect(page.locator(".chapters button")).to_have_count(3)
    assert 0 < half < progress(page) == 100
    assert shifted(page) < 0.02
    scenes(page).nth(1).get_by_role("button", name="Play scene 2").click()
    expect(scenes(page).nth(1).get_by_role("button", name="Pause scene 2")).to_be_visible()


def test_a_reload_and_a_second_tab_show_the_same_job(page: Page, studio: Stack) -> None:
    written(page, SLOW, 3)
    generated(page)
    expect(page.locator(".scene.completed").first).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    page.reload()
    for tab in (page, other):
        expect(tab.locator(".scene.generating")).to_have_count(1)
        expect(link(tab)).to_have_text("Live")
    assert progress(page) == progress(other)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the film").click()
    for tab in (page, other):
        expect(step(tab)).to_have_text("Cancelled with 2 of 3 scenes made")


def test_without_the_stream_it_polls_and_takes_the_stream_back(new_page: NewPage, studio: Stack) -> None:
    page = new_page("/library")
    page.context.route("**/events", lambda route: route.abort())
    page.goto(make(studio, SLOW))
    expect(link(page)).to_have_text("Looking every 2 s")
    expect(page.locator(".scene.completed")).to_have_count(2)
    page.context.unroute_all()
    expect(link(page)).to_have_text("Live")
    page.context.set_offline(True)
    expect(link(page)).to_have_text("Offline, trying again")
    page.context.set_offline(False)
    expect(link(page)).to_have_text("Live")
    advance(studio, 900)
    finished(page)
    expect(link(page)).to_have_text("")


def test_the_api_restarts_in_mid_job_and_the_page_goes_on(new_page: NewPage, studio: Stack) -> None:
    page = new_page(make(studio, SLOW))
    expect(page.locator(".scene.completed")).to_have_count(2)
    expect(link(page)).to_have_text("Live")
    studio.part("api").kill()
    expect(link(page)).not_to_have_text("Live")
    expect(page.locator(".scene.completed")).to_have_count(2)
    expect(link(page)).to_have_text("Live", timeout=90_000)
    advance(studio, 900)
    finished(page)


def test_an_idle_tab_rests_and_catches_up_when_it_comes_back(new_page: NewPage, studio: Stack) -> None:
    page = new_page(make(studio, SLOW))
    expect(page.locator(".scene.completed")).to_have_count(2)
    expect(link(page)).to_have_text("Live")
    page.evaluate(HIDE, True)
    expect(link(page)).to_have_text("Resting while hidden")
    shelf = new_page("/library")
    expect(shelf.locator(".making")).to_contain_text("Every evening at seven")
    newest = page.url.removeprefix(studio.api)
    expect(shelf.locator(f'.film a[href="{newest}"]')).to_have_count(0)
    advance(studio, 900)
    studio.ended(page.url.rsplit("/", 1)[1])
    page.evaluate(HIDE, False)
    finished(page, seconds=8)
    expect(shelf.locator(f'.film a[href="{newest}"]')).to_be_visible()


def test_a_waiting_film_knows_its_place(new_page: NewPage, studio: Stack) -> None:
    page = new_page("/library")
    job = studio.job(make(studio, STORY).rsplit("/", 1)[1])
    waiting = job | {"status": "queued", "queuePosition": 3, "etaSeconds": 100, "results": None, "startedAt": None}
    waiting["flowRunUrl"] = None
    waiting["counts"] = dict.fromkeys(job["counts"], 0)
    page.route("**/api/job/*/events", lambda route: route.abort())
    page.route("**/api/job/*", lambda route: route.fulfill(json=waiting))
    page.goto(f"/jobs/{job['jobId']}")
    expect(page.locator(".step")).to_have_text("Waiting to start 2 films before yours, about 2 min left")
    expect(page.get_by_role("link", name="Flow run in Prefect")).to_have_count(0)  # this operator shows none
    accessible(page, "queued")


def test_a_time_is_told_as_well_as_it_is_known(page: Page) -> None:
    def counts(pending: int = 0, generating: int = 0, completed: int = 0) -> dict[str, int]:
        total = pending + generating + completed
        return {"total": total, "pending": pending, "generating": generating, "completed": completed, "failed": 0}

    def told(seconds: int, **job: Any) -> str:
        """What is said so many seconds after the start, of an estimate that came at the start."""
        start = {"status": "processing", "counts": counts(1, 2), "queuePosition": None, "etaSeconds": 60}
        moment = {"startedAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "endedAt": None}
        return str(page.evaluate(TIMING, [words, start | moment | {"waitingFor": None} | job, seconds]))

    words = page.locator('link[href$="js/words.js"]').get_attribute("href")
    assert told(5) == "5 s so far, about 1 min left"
    assert told(30) == "30 s so far, about 30 s left"
    assert told(55) == "55 s so far, a few seconds left"
    assert told(90) == "1 min 30 s so far, longer than usual"
    assert told(200, etaSeconds=900) == "3 min 20 s so far, longer than usual"  # nothing was heard of it for so long
    assert told(1, counts=counts()) == "1 s so far, about 1 min left"
    assert told(40, counts=counts(completed=3)) == "40 s so far, almost done"
    assert told(5, etaSeconds=None) == "5 s so far"
    assert told(5, counts=counts(3), queuePosition=2) == "1 film before yours, about 1 min left"
    assert told(5, counts=counts(3), queuePosition=1, etaSeconds=None) == "Next in line"
    assert told(5, queuePosition=1) == "5 s so far, about 1 min left"
    assert told(5, status="queued", counts=counts(1, 0, 2), queuePosition=3).startswith("2 films before yours")
    assert told(5, waitingFor="The account has no credits left.") == "The account has no credits left."
    assert told(500, status="completed", endedAt="2026-01-01T00:01:30Z") == "Took 1 min 30 s"


def test_a_stalled_scene_is_said_and_a_cancel_asks_once_and_says_what_is_spent(
    new_page: NewPage, studio: Stack
) -> None:
    page = new_page(make(studio, STORY.replace("fog comes", "fog [stall] comes")))
    expect(page.locator(".scene.completed")).to_have_count(2)
    page.route("**/api/job/*", four_minutes_later)
    page.reload()
    expect(scenes(page).nth(1).locator(".stalled b")).to_have_text("Stalled")
    expect(scenes(page).nth(1).locator(".stalled p")).to_have_text(re.compile("^No news from Luma for 4 min"))
    expect(page.locator(".step span")).to_contain_text("longer than usual")
    accessible(page, "stalled")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_contain_text("$3.82 is already spent, with 1 scene at work at Luma")
    accessible(page, "cancelling")
    page.get_by_role("button", name="Keep going").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the film").click()
    expect(step(page)).to_have_text("Cancelled with 2 of 3 scenes made")
    expect(scenes(page).nth(1).locator(".standing")).to_have_text("Not made$1.27 was spent on it.")
    expect(page.get_by_role("button", name="Try the missing scene again for $1.27")).to_be_enabled()
    accessible(page, "cancelled")


def test_forty_scenes(page: Page, new_page: NewPage, studio: Stack) -> None:
    tune(studio, generation_seconds=0.3)
    page.get_by_label("Scenes, at most").fill("40")
    written(page, "\n\n".join(f"Scene {n}: The cat climbs step {n} of the old stairs." for n in range(1, 41)), 40)
    page.get_by_label("Each scene").select_option("5s")
    page.get_by_label("Resolution").select_option("540p")
    accessible(page, "forty cards")
    generated(page)
    expect(scenes(page)).to_have_count(40)
    finished(page, seconds=120)
    expect(page.locator(".scene.completed")).to_have_count(40)
    expect(page.locator(".chapters li")).to_have_count(40)
    assert shifted(page) < 0.02
    phone = new_page("/library", **PHONE)
    phone.goto(page.url)
    expect(phone.locator(".chapters button")).to_have_count(40)
    for seen in (page, phone):
        assert fits(seen)
        accessible(seen, "forty scenes")


def test_an_address_without_a_film_says_so(new_page: NewPage) -> None:
    page = new_page("/jobs/nothing")
    expect(page.get_by_role("heading", name="There is no film here")).to_be_visible()
    accessible(page, "no film")
