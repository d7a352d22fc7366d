"""The page in a browser: write, see before paying, and the whole way to a film that plays."""

import re

import httpx
from playwright.sync_api import Page, expect

from tests.end_to_end.running import Stack
from tests.end_to_end.studio import (
    STORY,
    NewPage,
    accessible,
    and_reload,
    cards,
    finished,
    generated,
    plays,
    prompts,
    scenes,
    script,
    settled,
    tab_to,
    words,
    written,
)

pytest_plugins = ["tests.end_to_end.studio_stack"]


def test_a_script_is_written_arranged_made_watched_and_kept(page: Page, studio: Stack) -> None:
    page.get_by_label("Title").fill("The lamp")
    written(page, STORY, 3)
    page.locator(".card .prompt textarea").nth(1).fill("A dark lamp room, fog outside, no people.")
    page.get_by_role("button", name="Move scene 3 up").click()
    settled(page)
    shown, said = prompts(page), words(page)
    assert shown[2] == "A dark lamp room, fog outside, no people."
    price = float(page.locator(".sum strong").inner_text().removeprefix("$"))

    job_id = generated(page)
    finished(page)
    job = studio.job(job_id)
    planned = job["results"]["storyboard"]["scenes"]
    assert [scene["prompt"] for scene in planned] == shown
    assert [scene["description"] for scene in planned] == said
    assert (job["title"], job["integrityConfirmed"], job["cost"]["maxUsd"]) == (
        "The lamp",
        True,
        job["cost"]["estimatedUsd"],
    )
    assert round(job["cost"]["estimatedUsd"], 2) == price

    _plays(page, job)
    _is_kept(page, job, studio)


def _plays(page: Page, job: dict) -> None:  # type: ignore[type-arg]
    """The film advances, with captions and a chapter per scene; everything can be taken home."""
    film = page.locator(".player video")
    film.evaluate("video => { video.muted = true; return video.play(); }")
    plays(film, beyond=0.5)
    assert film.evaluate("video => video.textTracks[0].cues.length") >= 3
    assert film.evaluate("video => [...video.textTracks].find(t => t.kind === 'chapters').cues.length") == 3
    page.get_by_role("button", name=re.compile("^Scene 3, at 0:18")).click()
    plays(film, beyond=18.2)
    expect(page.get_by_role("button", name=re.compile("^Scene 3, at"))).to_have_attribute("aria-current", "true")
    film.evaluate("video => video.pause()")
    expect(page.locator(".player")).to_contain_text("AI-generated")
    page.get_by_text("Clips, one by one").click()
    for name, kind in {"Film": "mp4", "Captions": "vtt", "Manifest": "json", "Scene 2": "mp4"}.items():
        with page.expect_download() as downloading:
            page.locator(".downloads").get_by_role("link", name=name, exact=True).click()
        assert downloading.value.suggested_filename.startswith("The lamp")
        assert downloading.value.suggested_filename.endswith(kind)
    page.locator(".about summary", has_text="Script").click()
    expect(page.locator(".about .script")).to_have_text(STORY)
    page.locator(".about summary", has_text="Storyboard").click()
    expect(page.locator(".planned > li")).to_have_count(3)
    assert job["flowRunId"] in str(page.get_by_role("link", name="Flow run in Prefect").get_attribute("href"))


def _is_kept(page: Page, job: dict, studio: Stack) -> None:  # type: ignore[type-arg]
    page.get_by_role("link", name="Library").click()
    page.get_by_role("searchbox").fill("The lamp")
    film = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="The lamp", exact=True)).first
    poster = film.locator("img")
    expect(poster).to_have_js_property("complete", True)
    assert poster.evaluate("image => image.naturalWidth") > 0
    film.get_by_role("link").click()
    page.wait_for_url(f"**/jobs/{job['jobId']}")
    page.go_back()
    accessible(page, "library")
    for video in studio.ask("GET", "/api/videos?limit=100")["videos"]:
        if video["jobId"] != job["jobId"]:
            httpx.delete(f"{studio.api}/api/videos/{video['id']}", timeout=10)
    page.reload()
    page.get_by_role("button", name="Delete The lamp from the library").click()
    accessible(page, "deleting")
    page.get_by_role("button", name="Delete from the library").click()
    expect(page.get_by_text("Your films will stand here.")).to_be_visible()
    accessible(page, "empty library")
    page.get_by_role("link", name="Write your first script").click()
    expect(script(page)).to_have_value("")


def test_the_count_is_live_and_counts_as_the_api_does(page: Page) -> None:
    count = page.locator("#script-count")
    expect(count).to_have_text("60 more characters to go")
    script(page).fill("  " + "🐈" * 59 + "  ")
    expect(count).to_have_text("1 more character to go")
    expect(cards(page)).to_have_count(0)
    page.get_by_role("button", name="Generate", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("at least 60 characters")
    script(page).fill("🐈" * 60)
    expect(count).to_have_text("60 characters")
    expect(cards(page).first).to_be_visible()
    script(page).fill("a cat. " * 3000)
    expect(count).to_have_text("1,000 too many")


def test_a_draft_survives_a_reload(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^How Bread Rises")).click()
    expect(cards(page)).to_have_count(5)
    page.get_by_label("Style").select_option("claymation")
    page.get_by_role("radio", name="9:16").check()
    page.get_by_role("button", name="Delete scene 5").click()
    settled(page)
    before = words(page), prompts(page)
    page.reload()
    expect(cards(page)).to_have_count(4)
    settled(page)
    assert (words(page), prompts(page)) == before
    assert "clay" in prompts(page)[0]
    expect(page.get_by_label("Title")).to_have_value("How Bread Rises")
    expect(page.get_by_label("Style")).to_have_value("claymation")
    expect(page.get_by_role("radio", name="9:16")).to_be_checked()
    expect(script(page)).to_have_value(re.compile("^Scene 1: Before dawn"))


def test_not_even_the_last_letter_of_a_draft_is_lost(page: Page) -> None:
    typed = "place.value = 'A cat.'; place.dispatchEvent(new Event('input', { bubbles: true }))"
    and_reload(script(page), typed)
    expect(script(page)).to_have_value("A cat.")


def test_a_second_tab_shows_the_draft_and_takes_no_letter_back(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/")
    page.bring_to_front()
    script(page).focus()
    page.keyboard.type(STORY.replace("\n", " "), delay=10)
    expect(cards(other)).not_to_have_count(0)
    for tab in (page, other):
        expect(script(tab)).to_have_value(STORY.replace("\n", " "))
    other.get_by_role("button", name="Delete scene 1").click()
    expect(cards(page)).to_have_count(cards(other).count())
    page.reload()
    expect(cards(page)).to_have_count(cards(other).count())


def test_a_draft_that_makes_no_sense_is_forgotten(page: Page) -> None:
    for stored in ("{", "null", "[]", '{"script": 5, "options": null, "cards": 7}', '{"cards": [null]}'):
        page.evaluate("stored => localStorage.setItem('storyreel.draft', stored)", stored)
        page.reload()
        expect(script(page)).to_be_visible()
    written(page, STORY, 3)


def test_scenes_are_split_merged_moved_deleted_added_and_it_can_be_undone(page: Page) -> None:
    written(page, STORY, 3)
    first, second, third = words(page)
    price = page.locator(".sum strong").inner_text()
    page.get_by_role("button", name="Split scene 2 in two").click()
    expect(cards(page)).to_have_count(4)
    settled(page)
    assert " ".join(words(page)[1:3]) == second
    assert page.locator(".sum strong").inner_text() != price
    page.get_by_role("button", name="Merge scene 2 with the next").click()
    settled(page)
    assert words(page) == [first, second, third]
    page.get_by_role("button", name="Delete scene 1").click()
    expect(page.get_by_role("button", name="Delete scene 1")).to_be_focused()
    assert words(page) == [second, third]
    page.get_by_role("button", name="Add a scene").click()
    expect(page.get_by_text("Say what happens here, or delete the scene.")).to_be_visible()
    page.keyboard.type("The cat sleeps.")
    settled(page)
    assert words(page)[2] == "The cat sleeps."
    assert prompts(page)[2].startswith("The cat sleeps.")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    settled(page)
    assert words(page) == [first, second, third]
    page.get_by_role("button", name="Cut again from the script").click()
    expect(page.locator(".cut summary")).to_have_text("Cut by paragraphs")


def test_a_card_marks_its_words_and_keeps_them_while_the_script_is_edited(page: Page) -> None:
    written(page, "🐈 " + STORY, 3)
    mark = page.locator(".marks mark")
    cards(page).nth(1).hover()
    expect(mark).to_have_text("Tonight the lamp is dark, and fog comes in over the bay.")
    page.mouse.move(5, 5)
    expect(mark).to_have_count(0)
    page.get_by_role("button", name="Move scene 3 up").focus()
    expect(mark).to_have_text("Light sweeps over the sea, and the boat turns home.")
    page.get_by_role("button", name="Move scene 3 up").click()
    script(page).fill("🐈 And then: " + STORY)
    page.get_by_role("button", name="Move scene 2 up").focus()
    expect(mark).to_have_text("Light sweeps over the sea, and the boat turns home.")
    assert page.locator("#script").bounding_box() == page.locator(".marks").bounding_box()


def test_a_dragged_card_takes_its_place(page: Page) -> None:
    written(page, STORY, 3)
    first, second, third = words(page)
    cards(page).nth(2).locator(".handle").drag_to(cards(page).nth(0).locator(".slate"))
    settled(page)
    assert words(page) == [third, first, second]


def test_all_of_it_with_the_keyboard_alone(page: Page, studio: Stack) -> None:
    tab_to(page, ".skip")
    page.keyboard.press("Enter")
    tab_to(page, "#script")
    page.keyboard.insert_text(STORY)
    expect(cards(page)).to_have_count(3)
    settled(page)
    first, second, third = words(page)
    tab_to(page, '[data-act="handle"]')
    page.keyboard.press("Alt+ArrowDown")
    expect(page.get_by_role("status").filter(has_text="now scene 2 of 3")).to_be_attached()
    assert words(page) == [second, first, third]
    page.keyboard.press("Alt+ArrowDown")
    assert words(page) == [second, third, first]
    settled(page)
    tab_to(page, ".confirm input")
    page.keyboard.press("Space")
    tab_to(page, ".till .primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    expect(scenes(page)).to_have_count(3)
    finished(page)
    tab_to(page, ".scene .plain")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Scene 1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('.scene .plain')")
    job = studio.job(page.url.rsplit("/", 1)[1])
    assert [scene["description"] for scene in job["results"]["scenes"]] == [second, third, first]


def test_generate_asks_for_the_confirmation_and_is_sent_once(page: Page, studio: Stack) -> None:
    written(page, STORY, 3)
    page.get_by_role("button", name=re.compile("^Generate for")).click()
    expect(page.get_by_role("alert")).to_contain_text("your own ideas")
    expect(page.get_by_role("checkbox", name=re.compile("my own ideas"))).to_be_focused()
    made = len(studio.ask("GET", "/api/jobs?limit=100")["jobs"])
    page.route("**/api/generate", lambda route: (route.fetch(), route.abort()))  # the job is made, the answer is lost
    page.get_by_role("checkbox", name=re.compile("my own ideas")).check()
    page.get_by_role("button", name=re.compile("^Generate for")).click()
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")
    page.unroute_all()
    page.get_by_role("button", name=re.compile("^Generate for")).click()
    page.wait_for_url("**/jobs/*")
    assert len(studio.ask("GET", "/api/jobs?limit=100")["jobs"]) == made + 1


def test_without_the_api_the_page_says_so_and_recovers(new_page: NewPage) -> None:
    page = new_page()
    page.route("**/api/storyboard", lambda route: route.abort())
    script(page).fill(STORY)
    expect(page.get_by_role("alert")).to_contain_text("The studio can't be reached.")
    accessible(page, "unreachable")
    page.unroute_all()
    expect(cards(page)).to_have_count(3, timeout=10_000)
    expect(page.get_by_role("alert")).to_have_count(0)
