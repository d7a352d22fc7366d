"""The page in a browser: what went wrong is said and mended, and the film is joined again."""

import re

import httpx
from playwright.sync_api import Page, expect

from tests.end_to_end.running import Stack
from tests.end_to_end.studio import (
    STORY,
    NewPage,
    accessible,
    advance,
    and_reload,
    finished,
    generated,
    make,
    plays,
    scenes,
    step,
    tab_to,
    written,
)

pytest_plugins = ["tests.end_to_end.studio_stack"]

FAULTY = STORY.replace("fog comes", "fog [moderate] comes").replace("Light sweeps", "Light [fail] sweeps")


def film_of(page: Page) -> str:
    return str(page.locator(".player video").get_attribute("src"))


def test_moderated_and_failed_scenes_are_told_apart_and_mended(page: Page, studio: Stack) -> None:
    written(page, FAULTY, 3)
    job_id = generated(page)
    finished(page)
    expect(step(page)).to_have_text("Film ready, 2 scenes missing")
    moderated, failed = scenes(page).nth(1), scenes(page).nth(2)
    expect(moderated).to_contain_text("Refused by moderation")
    expect(moderated).to_contain_text("Its words need a change. Refunded.")
    expect(failed).to_contain_text("Luma could not make it")
    expect(failed).to_contain_text("A fault at Luma, not in your words. Refunded.")
    expect(page.get_by_role("button", name="Try all 2 missing scenes again for $2.55")).to_be_visible()
    accessible(page, "two scenes missing")
    first = film_of(page)

    moderated.get_by_role("button", name="Edit and try again of scene 2").click()
    accessible(page, "mending")
    page.get_by_label("Prompt", exact=True).fill("Calm fog over a bay at night, wide shot.")
    page.get_by_role("button", name="Try this scene again for $1.27").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(scenes(page).nth(1).locator(".foot button")).to_be_focused()
    expect(scenes(page).nth(1)).to_have_class(re.compile("completed"))
    expect(step(page)).to_have_text("Film ready, 1 scene missing")
    second = film_of(page)
    assert second != first
    assert len(studio.job(job_id)["results"]["scenes"][2]["takes"]) == 3  # it was not paid for again

    failed.get_by_role("button", name="Edit and try again of scene 3").click()
    page.get_by_label("Prompt", exact=True).fill("A beam of light over a dark sea.")
    page.get_by_role("button", name="Try this scene again").click()
    finished(page)
    expect(step(page)).to_have_text("Film ready")
    expect(page.locator(".scene.completed")).to_have_count(3)
    assert film_of(page) not in (first, second)


def test_all_missing_scenes_are_made_by_one_button_with_the_words_kept_for_it(page: Page, studio: Stack) -> None:
    written(page, FAULTY.replace("[fail]", "[moderate]").replace("a ginger cat", "a [slow:900] ginger cat"), 3)
    job_id = generated(page)
    expect(page.locator(".scene.failed")).to_have_count(2)
    page.get_by_role("button", name="Edit and try again of scene 2").click()
    page.get_by_label("Prompt", exact=True).fill("Calm fog over a bay.")
    expect(page.get_by_role("button", name="Try this scene again")).to_be_disabled()
    and_reload(page.get_by_role("button", name="Keep these words"), "place.click()")
    expect(scenes(page).nth(1).locator(".mend")).to_contain_text("Edited, try again")
    advance(studio, 900)
    finished(page)
    page.get_by_role("button", name="try again of scene 3").click()
    page.get_by_label("Prompt", exact=True).fill("A beam of light.")
    page.get_by_role("button", name="Keep for “try all again”").click()
    other = page.context.new_page()
    other.goto(page.url)
    expect(step(other)).to_have_text("Film ready, 2 scenes missing")
    page.get_by_role("button", name="Try all 2 missing scenes again for $2.55").click()
    for tab in (page, other):  # the other one had seen the film end, and still hears of it
        expect(tab.locator(".scene.completed")).to_have_count(3)
        finished(tab)
    made = studio.job(job_id)["results"]["scenes"]
    assert [scene["prompt"] for scene in made[1:]] == ["Calm fog over a bay.", "A beam of light."]


def test_a_scene_is_mended_and_its_film_deleted_with_the_keyboard_alone(new_page: NewPage, studio: Stack) -> None:
    page = new_page(make(studio, STORY.replace("fog comes", "fog [moderate] comes"), title="By keyboard"))
    expect(step(page)).to_have_text("Film ready, 1 scene missing")
    tab_to(page, ".scene .mend")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("Calm fog over a bay at night.")
    tab_to(page, "dialog .primary")
    page.keyboard.press("Enter")
    expect(page.locator(".scene.completed")).to_have_count(3)
    finished(page)
    tab_to(page, ".chapters li:last-child button")
    page.keyboard.press("Enter")
    plays(page.locator(".player video"), beyond=18)

    page.goto("/library")
    tab_to(page, "input[type=search]")
    page.keyboard.insert_text("By keyboard")
    expect(page.locator(".film")).to_have_count(1)
    tab_to(page, ".film .plain")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    tab_to(page, "dialog .danger")
    page.keyboard.press("Enter")
    expect(page.locator(".film")).to_have_count(0)


def test_another_take_is_made_and_an_earlier_one_chosen(page: Page, studio: Stack) -> None:
    written(page, STORY, 3)
    job_id = generated(page)
    finished(page)
    earlier = studio.job(job_id)["results"]["scenes"][0]["videoUrl"]
    page.get_by_role("button", name=re.compile("^Prompt.* of scene 1$")).click()
    page.get_by_label("Prompt", exact=True).fill("A ginger cat on a stone stair, seen from above.")
    page.get_by_role("button", name="Make another take for $1.27").click()
    expect(scenes(page).first).to_have_class(re.compile("completed"))
    expect(page.get_by_role("button", name="Prompt and 2 takes of scene 1")).to_be_visible()
    finished(page)
    assert studio.job(job_id)["results"]["scenes"][0]["videoUrl"] != earlier
    spent = studio.job(job_id)["cost"]["spentUsd"]

    page.get_by_role("button", name=re.compile("^Prompt.* of scene 1$")).click()
    takes = page.get_by_role("dialog").get_by_role("listitem")
    expect(takes.nth(1)).to_contain_text("In the film")
    accessible(page, "takes")
    takes.nth(0).get_by_role("button", name="Use this take").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    finished(page)
    job = studio.ended(job_id)
    assert job["results"]["scenes"][0]["videoUrl"] == earlier
    assert job["cost"]["spentUsd"] == spent


def test_a_film_that_could_not_be_made_says_what_to_do_and_another_what_it_waits_for(
    new_page: NewPage, studio: Stack
) -> None:
    no_credits = {"kind": "status", "operation": "create", "status": 402, "times": None}
    httpx.post(f"{studio.sandbox}/_sandbox/faults", json=no_credits, timeout=10).raise_for_status()
    try:
        job_id = studio.ask("POST", "/api/generate", json={"script": STORY})["jobId"]
        page = new_page(f"/jobs/{job_id}")
        expect(step(page)).to_have_text("The film could not be made")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The Luma account has no credits left")
        expect(alert).to_contain_text("finished scenes are kept")
        accessible(page, "failed")
        waiting = new_page(make(studio, STORY))
        expect(step(waiting)).to_have_text(re.compile("^Waiting"))
        expect(waiting.locator(".step .waits")).to_contain_text("no credits left")
        accessible(waiting, "waiting for the account")
    finally:
        httpx.delete(f"{studio.sandbox}/_sandbox/faults", timeout=10)
    finished(waiting)
    page.get_by_role("button", name="Try all 3 missing scenes again for $3.82").click()
    finished(page)
    expect(page.get_by_role("alert")).to_have_count(0)
