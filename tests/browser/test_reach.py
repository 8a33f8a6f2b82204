"""What a checker of rules cannot see (WCAG 2.2 AA), on every page: enlarged four times, wider letters, small targets,
hidden focus, the system's own colours, motion, paper, pasted passwords, and errors that are told at their fields."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.driving import PATIENCE, House, sights, visitor
from tests.web import PASSWORD, Web

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=PATIENCE)
# 1280 by 1024 at 400 %: what 1.4.10 asks for; and a telephone.
ENLARGED, TELEPHONE = (320, 256), (390, 844)

SPACED = """() => {
    const wider = new CSSStyleSheet();
    wider.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important }
        * { word-spacing: .16em !important } p { margin-bottom: 2em !important }`);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, wider];
    const own = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const cut = element => {
        const style = getComputedStyle(element);
        if (style.position === "absolute" && element.clientWidth <= 1) return false;
        return style.overflow !== "visible" && own(element) && element.checkVisibility()
            && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1);
    };
    const all = document.querySelectorAll("body *:not(textarea, select, option)");
    return [...all].filter(cut).map(each => each.outerHTML);
}"""
WIDER = "width => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) > width"
# What stays while the page moves, and how much of the screen it covers.
STUCK = """() => [...document.querySelectorAll("body *")].filter(element =>
    ["sticky", "fixed"].includes(getComputedStyle(element).position) && element.checkVisibility()
    && element.getBoundingClientRect().height > innerHeight / 2).map(each => each.className || each.tagName)"""
TARGETS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
# 2.5.8: 24 px each way, or as far from the next that circles of 24 px do not touch; links within a line are let off.
SMALL = """targets => {
    const inLine = element => element.matches("a") && getComputedStyle(element).display === "inline"
        && !!element.parentElement.closest("p, dd, td, li, div, h2");
    const shown = [...document.querySelectorAll(targets)].filter(element => element.checkVisibility()
        && element.getBoundingClientRect().width > 1);
    const labelled = element => (element.closest("label") ?? element).getBoundingClientRect();
    const centre = box => [box.x + box.width / 2, box.y + box.height / 2];
    const small = shown.filter(element => { const box = labelled(element); return box.width < 24 || box.height < 24; });
    const near = (one, other) => {
        const [x, y] = centre(labelled(one)), box = labelled(other);
        const across = Math.max(box.left - x, 0, x - box.right), down = Math.max(box.top - y, 0, y - box.bottom);
        return Math.hypot(across, down) < (small.includes(other) ? 24 : 12);
    };
    const touched = element => shown.some(other => other !== element && !other.contains(element)
        && !element.contains(other) && near(element, other));
    return small.filter(element => !inLine(element) && touched(element)).map(each => each.outerHTML);
}"""
# 2.4.11 and 2.4.7: something of what has the focus can be seen, and that it has it.
HIDDEN = """targets => {
    const wrong = [];
    for (const element of document.querySelectorAll(targets)) {
        if (!element.checkVisibility() || element.disabled) continue;
        element.focus();
        if (document.activeElement !== element) continue;
        const boxes = [...element.getClientRects()];
        const seen = boxes.some(box => [.1, .5, .9].some(part => {
            const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height * part);
            return there && (element.contains(there) || there.contains(element) && there !== document.body
                || there.closest("label")?.contains(element));
        }));
        const style = getComputedStyle(element);
        if (!seen) wrong.push("covered: " + element.outerHTML);
        if (style.outlineStyle === "none") wrong.push("no ring: " + element.outerHTML);
    }
    return wrong;
}"""
# With the system's colours: no icon of a button is drawn in the colour of its ground.
VANISHED = """() => {
    const ground = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour === "rgba(0, 0, 0, 0)" && element.parentElement ? ground(element.parentElement) : colour;
    };
    const drawn = icon => [getComputedStyle(icon).fill, getComputedStyle(icon).stroke].filter(each => each !== "none");
    const vanished = icon => drawn(icon).every(colour => colour === ground(icon.parentElement));
    return [...document.querySelectorAll("button svg")].filter(icon => icon.checkVisibility() && vanished(icon))
        .map(icon => icon.parentElement.outerHTML);
}"""
MOVING = """() => [...document.querySelectorAll("body *")].filter(element => {
    const style = getComputedStyle(element);
    return style.animationName !== "none" || /[1-9]/.test(style.transitionDuration)
        || style.scrollBehavior === "smooth";
}).map(each => each.outerHTML)"""
TOLD = 160
TINY = """.filters label { display: none } .filters, .filters > div { display: flex; flex: none !important; gap: 2px }
    .filters input { width: 12px !important; height: 12px !important; min-height: 0; padding: 0 }"""


async def _sized(page: Page, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})


async def _said(page: Page, script: str, argument: object = None) -> list[str]:
    found: list[str] = await page.evaluate(script, argument)
    return [each[:TOLD] for each in found]


async def _hindrances(page: Page) -> list[str]:
    """What of the page as it stands hinders somebody, with the size at which it does."""
    wrong = [f"moves: {each}" for each in await _said(page, MOVING)]
    await _sized(page, ENLARGED)
    wrong += ["enlarged, it is wider than the screen"] if await page.evaluate(WIDER, ENLARGED[0]) else []
    wrong += [f"enlarged, it covers the screen: {each}" for each in await _said(page, STUCK)]
    await _sized(page, TELEPHONE)
    wrong += [f"small: {each}" for each in await _said(page, SMALL, TARGETS)]
    wrong += await _said(page, HIDDEN, TARGETS)
    await page.emulate_media(forced_colors="active")
    wrong += [f"vanishes: {each}" for each in await _said(page, VANISHED)]
    await page.emulate_media(forced_colors="none")
    # Last, since it changes the page.
    wrong += [f"cut: {each}" for each in await _said(page, SPACED)]
    wrong += ["spaced, it is wider than the screen"] if await page.evaluate(WIDER, TELEPHONE[0]) else []
    await _sized(page, (1440, 900))
    wrong += [f"cut: {each}" for each in await _said(page, SPACED)]
    return wrong


async def test_no_page_hinders_anybody(house: House, browser: Browser) -> None:
    wrong = []
    for role in sorted({sight.role for sight in sights(house)}):
        # English words are the longer ones.
        context = await visitor(browser, house.web, role, language="en")
        page = await context.new_page()
        for sight in (each for each in sights(house) if each.role == role):
            await page.goto(sight.path, wait_until="networkidle")
            wrong += [f"{sight.path} as {role or 'nobody'}: {each}" for each in await _hindrances(page)]
        await context.close()
    assert not wrong, "\n".join(wrong)


async def test_a_check_can_fail(web: Web, browser: Browser) -> None:
    page = await (await visitor(browser, web, "agent")).new_page()
    await page.goto("/orders")
    assert await _hindrances(page) == []
    for spoilt, told in (
        (TINY, "small"),
        (".who { background: Canvas; forced-color-adjust: none } .who svg { stroke: Canvas }", "vanishes"),
        (".who { outline: none !important }", "no ring"),
        ("body::after { content: ''; position: fixed; inset: 0 }", "covered"),
        ("h1 { overflow: hidden; height: 1.3em; width: 2em; white-space: nowrap }", "cut"),
        (".top { position: fixed !important; height: 200px !important }", "covers the screen"),
        (".nav a { transition: color 1s }", "moves"),
        ("main { min-width: 500px }", "wider than the screen"),
    ):
        await page.goto("/orders")
        spoil = """rules => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(rules);
            document.adoptedStyleSheets = [sheet];
        }"""
        await page.evaluate(spoil, spoilt)
        assert told in " ".join(await _hindrances(page)), spoilt


async def test_a_password_can_be_pasted_and_a_wrong_one_is_told_at_the_field(web: Web, browser: Browser) -> None:
    page = await (await visitor(browser, web, "")).new_page()
    await page.goto("/login")
    await page.get_by_label("用户名").fill("agent")
    await page.get_by_label("密码").fill("not this one")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    said = await page.get_by_role("alert").inner_text()
    await expect(page.get_by_label("密码")).to_have_accessible_description(said)
    await expect(page.get_by_label("密码")).to_be_focused()
    # Out of a field that shows what was copied.
    await page.get_by_label("用户名").fill(PASSWORD)
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.press("ControlOrMeta+x")
    await page.get_by_label("密码").focus()
    await page.keyboard.press("ControlOrMeta+v")
    await expect(page.get_by_label("密码")).to_have_value(PASSWORD)
    await page.get_by_label("用户名").fill("agent")
    await page.get_by_role("button", name="登录").click()
    await page.wait_for_url("**/work")


async def test_a_form_that_was_refused_tells_why_at_its_fields(web: Web, browser: Browser) -> None:
    page = await (await visitor(browser, web, "auditor")).new_page()
    await page.goto("/keeping")
    await page.get_by_text("设立保全").first.click()
    await page.get_by_label("案件名称").fill("诉讼")
    await page.get_by_label("理由", exact=True).fill("法院调取")
    await page.get_by_role("button", name="设立保全").click()
    told = page.get_by_role("alert")
    await expect(told).to_be_focused()
    said = await told.inner_text()
    await expect(page.get_by_label("案件名称")).to_have_value("诉讼")
    await expect(page.get_by_label("案件名称")).to_have_accessible_description(said)
    # What helped before is still said, after it.
    helped = await page.locator("#scope-words").inner_text()
    await expect(page.get_by_label("工单编号，每行一个")).to_have_accessible_description(f"{said} {helped}")


async def test_a_recording_on_paper_is_its_text_and_facts(web: Web, browser: Browser) -> None:
    page = await (await visitor(browser, web, "supervisor", theme="dark")).new_page()
    await page.goto(f"/recordings/{web.seeded.full}")
    await page.emulate_media(media="print")
    for gone in (".top", "#player", "#text-tools", "#comment-form", ".take", ".skip"):
        await expect(page.locator(gone).first).to_be_hidden()
    for kept in ("#turns", "#facts-title", "#integrity-title", "#order-title", "#findings"):
        await expect(page.locator(kept)).to_be_visible()
    assert await page.evaluate("() => getComputedStyle(document.querySelector('p.bubble')).color") == "rgb(0, 0, 0)"
    assert await page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # When each sentence was said stays, though it is a button.
    await expect(page.locator(".turn .at").first).to_be_visible()
    assert await page.locator("button:not(.at):visible").count() == 0
