"""Pictures of the studio page for the README: `python -m bench.screenshots`; runs the stack with its sandbox."""

import asyncio
import sys
import tempfile
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).parents[1]
SHOTS = ROOT / "docs" / "screenshots"
PORTS = {"--port": 8070, "--prefect-port": 4270, "--sandbox-port": 8970}
STUDIO, SANDBOX = (f"http://127.0.0.1:{PORTS[name]}" for name in ("--port", "--sandbox-port"))
CHROMIUM = next((p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser")) if p.exists()), None)
WIDE = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
FILM = "The Lamp on Gull Point"
SCRIPT = """\
Every evening at seven, a ginger cat climbs the hundred steps of the old lighthouse to check the lamp.

Tonight the lamp is dark. Far below, fog comes in over the bay like milk poured into tea.

Out on the water a fishing boat turns in slow circles, a girl in a yellow oilskin at its bow.

The cat leaps at the great brass switch and hangs from it with all four paws.

Light sweeps over the sea, and the boat turns home."""

REFUSED = "A fishing boat turns in fog, seen from far above, no land in sight."
SLOW = "A cat hangs from a brass switch with all four paws, close-up."
FAULTS = [{"kind": "moderate", "prompt": REFUSED}, {"kind": "slow", "prompt": SLOW, "seconds": 25}]


async def main() -> None:
    """Start the stack, take every picture in light and dark, stop it."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stack = await _start(Path(folder))
        try:
            async with async_playwright() as playwright:
                options = ["--no-sandbox", "--disable-gpu"]
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=options)
                for scheme in ("light", "dark"):
                    await _story(browser, scheme)
                await browser.close()
        finally:
            stack.terminate()
            await stack.wait()


async def _start(folder: Path) -> asyncio.subprocess.Process:
    options = [f"{name}={port}" for name, port in PORTS.items()]
    command = [sys.executable, "-m", "deployments.cli", "up", f"--data={folder}", *options]
    stack = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(180), httpx.AsyncClient() as client:
        while stack.returncode is None:
            try:
                if (await client.get(f"{STUDIO}/api/ready", timeout=5)).is_success:
                    return stack
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.5)
    raise SystemExit("The stack did not start; are its ports in use?")


async def _story(browser: Browser, scheme: str) -> None:
    """One film from its script to the library."""
    async with httpx.AsyncClient() as client:
        await client.post(f"{SANDBOX}/_sandbox/faults", json={"faults": FAULTS})
    context = await browser.new_context(base_url=STUDIO, color_scheme=scheme, **WIDE)
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_label("Title").fill(FILM)
    await page.locator("#script").fill(SCRIPT)
    await expect(page.locator(".till .primary")).to_have_attribute("aria-disabled", "false")
    await page.locator(".card").nth(1).hover()
    await _shoot(page, "storyboard", scheme)
    await page.locator(".card .prompt textarea").nth(2).fill(REFUSED)
    await page.locator(".card .prompt textarea").nth(3).fill(SLOW)
    await expect(page.locator(".till .primary")).to_have_attribute("aria-disabled", "false")
    await page.get_by_role("checkbox").check()
    await page.locator(".till .primary").click()
    await expect(page.locator(".scene.completed")).to_have_count(3, timeout=60_000)
    await expect(page.locator(".scene.failed")).to_have_count(1, timeout=60_000)
    await page.wait_for_timeout(10_000)  # the clips that have just come play once
    await _shoot(page, "watching", scheme, full=True)
    await expect(page.locator(".step")).to_contain_text("Film ready", timeout=120_000)
    await page.get_by_role("button", name="try again of scene 3").click()
    await page.get_by_label("Prompt", exact=True).fill("A fishing boat turns in slow circles in fog, from above.")
    await _shoot(page, "mending", scheme)
    await page.get_by_role("button", name="Try this scene again").click()
    await expect(page.locator(".scene.completed")).to_have_count(5, timeout=120_000)
    await expect(page.locator(".step")).to_contain_text("Film ready", timeout=120_000)
    await page.wait_for_timeout(10_000)
    await _shoot(page, "film", scheme, full=True)
    address = page.url
    await page.goto("/library")
    await expect(page.locator(".film")).not_to_have_count(0)
    await _shoot(page, "library", scheme)
    phone = await (await browser.new_context(base_url=STUDIO, color_scheme=scheme, **PHONE)).new_page()
    await phone.goto(address)
    await expect(phone.locator(".chapters li")).to_have_count(5)
    await _shoot(phone, "phone", scheme)
    await context.close()


async def _shoot(page: Page, name: str, scheme: str, *, full: bool = False) -> None:
    await page.wait_for_timeout(600)
    await page.screenshot(path=SHOTS / f"{name}-{scheme}.png", full_page=full)


if __name__ == "__main__":
    asyncio.run(main())
