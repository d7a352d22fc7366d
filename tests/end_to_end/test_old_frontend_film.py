"""The old page is the judge: unchanged, it makes a film on the whole stack and ends at its result page."""

import httpx

from tests.end_to_end.running import SCRIPT, Stack
from tests.integration.old_page import needs_node, visit

pytestmark = needs_node


async def test_the_old_page_makes_a_film(stack: Stack) -> None:
    script = SCRIPT.replace("{tag}", "")
    seen = await visit(stack.api, script, seconds=120, user={"name": "A writer"})
    assert seen.told("alert") == []
    assert seen.told("push")[-1] == "/result"
    statuses = seen.told("status")
    assert statuses[:2] == ["Creating generation job...", "Job created. Starting generation..."]
    assert "Generating scene 1/3..." in statuses
    assert statuses[-1] == "Generation complete!"
    progress = seen.told("progress")
    assert progress == sorted(progress)
    assert progress[-1] == 100

    result = seen.stored["videoData"]
    assert seen.stored["userScript"] == script
    assert result["status"] == "completed"
    assert [scene["sceneNumber"] for scene in result["scenes"]] == [1, 2, 3]
    async with httpx.AsyncClient(base_url=stack.api, timeout=30) as client:
        for scene in result["scenes"]:
            clip = await client.get(scene["videoUrl"], headers={"Range": "bytes=4-7"})
            assert (clip.status_code, clip.content) == (206, b"ftyp")
        kept = [v for v in (await client.get("/api/videos")).json()["videos"] if v["jobId"] == result["id"]]
    assert len(kept) == 1
    assert "/films/" in kept[0]["videoUrl"]


async def test_the_old_page_tells_why_a_film_could_not_be_made(stack: Stack) -> None:
    script = SCRIPT.replace("{tag}", " [moderate]").replace("bottle", "[moderate] bottle").replace("dawn", "[moderate]")
    seen = await visit(stack.api, script, seconds=120)
    [alert] = set(seen.told("alert"))
    assert alert.startswith("Generation failed: None of the 3 scenes could be made: ")
    assert seen.told("push")[-1] == "/result"
    assert seen.stored["errorMessage"] in alert
