"""Every page of the application, in both languages and themes: accessible, no wider than a telephone, without errors.

The list comes from the application's own routes, so a new page is walked to the day it is added.
"""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser.driving import (
    House,
    Sight,
    listen,
    page_routes,
    sights,
    visitor,
)

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
RUN = """async standards => {
    const found = await axe.run(document, { runOnly: { type: "tag", values: standards }, resultTypes: ["violations"] });
    const said = each => each.nodes.map(node => `${each.id}: ${node.target} ${node.failureSummary}`);
    return found.violations.flatMap(said);
}"""
WIDER = "width => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) > width"
PHONES = (360, 390)

pytestmark = pytest.mark.timeout(600)


async def _violations(page: Page) -> list[str]:
    await page.evaluate(AXE)
    found: list[str] = await page.evaluate(RUN, STANDARDS)
    return found


async def _look(page: Page, sight: Sight, widths: tuple[int, ...]) -> list[str]:
    """What is wrong with one page as it stands."""
    answer = await page.goto(sight.path)
    assert answer
    if answer.status != sight.status:
        return [f"answered {answer.status}"]
    wrong = []
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 800})
        if await page.evaluate(WIDER, width):
            wrong.append(f"wider than {width} px")
    await page.set_viewport_size({"width": 1440, "height": 900})
    return wrong


async def _walk(browser: Browser, house: House, *, language: str, theme: str, widths: tuple[int, ...]) -> list[str]:
    wrong = []
    for role in sorted({sight.role for sight in sights(house)}):
        context = await visitor(browser, house.web, role, language=language, theme=theme)
        page = await context.new_page()
        errors = listen(page)
        for sight in (each for each in sights(house) if each.role == role):
            found = await _look(page, sight, widths)
            # The answer 404 or 403 of an error page is itself said on the console.
            found += [f"console: {each}" for each in errors if sight.status == 200]
            # Now axe, which puts style sheets into the page that its policy does not let in.
            found += await _violations(page)
            errors.clear()
            wrong += [f"{sight.path} as {role or 'nobody'}: {each}" for each in found]
        await context.close()
    return wrong


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_every_page_is_fit_for_everybody(house: House, browser: Browser, language: str, theme: str) -> None:
    widths = PHONES if theme == "light" else ()
    assert await _walk(browser, house, language=language, theme=theme, widths=widths) == []


async def test_the_walk_goes_everywhere(house: House) -> None:
    walked = {sight.path.partition("?")[0] for sight in sights(house)}
    assert {"/", "/login", "/recordings", "/orders", "/links", "/reports", "/status", "/nightly"} <= walked
    assert len(sights(house)) > len(page_routes(house.web.app))


async def test_the_walk_finds_what_is_wrong(house: House, browser: Browser) -> None:
    context = await visitor(browser, house.web, "agent")
    page = await context.new_page()
    await page.goto("/orders")
    assert await _violations(page) == []
    # A placeholder counts as a name, if a poor one.
    await page.evaluate("() => { document.querySelector('label[for=q]').remove(); }")
    await page.evaluate("() => { document.querySelector('#q').removeAttribute('placeholder'); }")
    await page.evaluate("() => { document.querySelector('h1').style.color = '#cccccc'; }")
    found = " ".join(await _violations(page))
    assert "label:" in found
    assert "color-contrast:" in found
    await page.evaluate("() => { document.querySelector('main').style.width = '2000px'; }")
    assert await page.evaluate(WIDER, 1440)
