"""The page in a browser: every state for everyone, light and dark, on a phone, in stillness."""

import pytest
from playwright.sync_api import expect

from tests.end_to_end.running import Stack
from tests.end_to_end.studio import (
    PHONE,
    STORY,
    NewPage,
    accessible,
    advance,
    cards,
    finished,
    fits,
    scenes,
    script,
    settled,
    shifted,
    written,
)

pytest_plugins = ["tests.end_to_end.studio_stack"]

UNEASY = STORY.replace("fog comes", "fog [moderate] comes").replace("turns home", "turns home [slow:900]")
SIZE = """() => ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  .filter(entry => !entry.name.includes('/api/')).reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"color_scheme": "light"}, id="light"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param(PHONE, id="phone"),
        pytest.param(PHONE | {"color_scheme": "dark"}, id="phone, dark"),
    ],
)
def test_every_state_fits_and_axe_finds_nothing(new_page: NewPage, studio: Stack, options: dict[str, object]) -> None:
    page = new_page("/", **options)
    expect(script(page)).to_be_visible()

    def sound(state: str) -> None:
        assert fits(page), state
        accessible(page, state)

    sound("first")
    written(page, UNEASY, 3)
    sound("storyboard")
    page.locator(".cut summary").click()
    cards(page).nth(1).get_by_role("button", name="Move scene 2 up").focus()
    page.get_by_role("button", name="Add a scene").click()
    sound("edited, with an empty scene")
    page.get_by_role("button", name="Delete scene 4").click()
    settled(page)
    page.get_by_role("checkbox", name="my own ideas").check()
    page.locator(".till .primary").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator(".scene.failed")).to_have_count(1)
    expect(page.locator(".scene.completed")).to_have_count(1)
    sound("one made, one failed, one generating")
    page.get_by_role("button", name="Edit and try again of scene 2").click()
    sound("a failed scene, while it runs")
    page.keyboard.press("Escape")
    advance(studio, 900)
    finished(page)
    expect(page.locator(".chapters li")).to_have_count(3)
    for summary in page.locator("main summary").all():
        summary.click()
    sound("film, with all that can be opened")
    page.goto("/library")
    expect(page.locator(".film").first).to_be_visible()
    sound("library")
    page.get_by_role("searchbox").fill("no film is called so")
    expect(page.get_by_text("No film’s title or script holds")).to_be_visible()
    sound("nothing found")


def test_dark_is_dark_and_light_is_light(new_page: NewPage) -> None:
    def ground(scheme: str) -> int:
        page = new_page("/", color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert ground("dark") < 150
    assert ground("light") > 650


def test_nothing_moves_for_those_who_ask_for_stillness(new_page: NewPage, studio: Stack) -> None:
    job_id = studio.ask("POST", "/api/generate", json={"script": STORY.replace("fog comes", "fog [slow:900] comes")})[
        "jobId"
    ]
    page = new_page("/library", reduced_motion="reduce")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator(".scene.completed")).to_have_count(2)
    assert page.evaluate("document.getAnimations().length") == 0
    assert scenes(page).first.locator("video").evaluate("video => video.paused && video.currentTime === 0")
    advance(studio, 900)


def test_a_page_is_small_and_shows_itself_without_its_script(new_page: NewPage) -> None:
    page = new_page("/library")
    for path in ("/", "/jobs/nothing", "/library"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        size = page.evaluate(SIZE)
        assert 30_000 < size < 100_000, f"{path} is {size} bytes on the wire"
        assert shifted(page) < 0.01, f"{path} jumps while it loads"
    bare = new_page("/", java_script_enabled=False)
    expect(bare.get_by_role("link", name="Library")).to_be_visible()
    expect(bare.get_by_text("This page needs JavaScript.")).to_be_visible()
