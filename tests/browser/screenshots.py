"""``make screenshots``: every page in both languages, on a telephone and a desk, light and dark, into docs/screenshots.

The pictures are for looking at.  README's few (``KEPT``) show one screen and are the only ones in the repository.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import Browser, FloatRect

from api.permissions import SUPERVISOR
from tests.browser.driving import House, Sight, chromium, furnished, sights, visitor
from tests.browser.speaking import speak

TARGET = Path(__file__).parent.parent.parent / "docs" / "screenshots"
WIDTHS = (390, 1440)
# One screen of README's pictures: small files.
SCREEN: FloatRect = {"x": 0, "y": 0, "width": 0, "height": 780}
# Name of the picture beside README → page, language, theme, width.
KEPT = {
    "recording": ("speech", "zh", "light", 1440),
    "search": ("search-1", "zh", "light", 1440),
}


async def shoot(
    browser: Browser, house: House, target: Path, shown: Sequence[Sight], *, language: str, theme: str, width: int
) -> None:
    """Every page once, in one language, theme and width."""
    by_role: dict[str, list[Sight]] = {}
    for sight in shown:
        by_role.setdefault(sight.role, []).append(sight)
    for role, those in by_role.items():
        context = await visitor(browser, house.web, role, language=language, theme=theme, width=width)
        page = await context.new_page()
        for sight in those:
            await page.goto(sight.path, wait_until="networkidle")
            # An address that names a second has scrolled to its sentence.
            await page.evaluate("() => scrollTo(0, 0)")
            for name, kept in KEPT.items():
                if kept == (sight.name, language, theme, width):
                    await page.screenshot(path=TARGET / f"{name}.png", clip={**SCREEN, "width": width})
            await page.screenshot(path=target / f"{sight.name}-{language}-{theme}-{width}.png", full_page=True)
        await context.close()


async def main(target: Path, only: str, themes: list[str], languages: list[str], widths: list[int]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        async with furnished(Path(directory)) as house, chromium() as browser:
            call, second = await speak(house.web, Path(directory))
            speech = Sight("speech", f"/recordings/{call}?t={second}", SUPERVISOR)
            shown = [sight for sight in (*sights(house), speech) if only in sight.name]
            for language in languages:
                for theme in themes:
                    for width in widths:
                        await shoot(browser, house, target, shown, language=language, theme=theme, width=width)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=TARGET / "all")
    parser.add_argument("--only", default="", help="part of a page's name")
    parser.add_argument("--theme", nargs="+", default=["light", "dark"])
    parser.add_argument("--language", nargs="+", default=["zh", "en"])
    parser.add_argument("--width", nargs="+", type=int, default=list(WIDTHS))
    given = parser.parse_args()
    asyncio.run(main(given.target, given.only, given.theme, given.language, given.width))
