"""Takes README's pictures from a running demo: ``python -m tools.screenshots http://127.0.0.1:8080 NAME PASSWORD``.

Needs Playwright (a development dependency) and Debian's Chromium.
"""

import argparse
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

TARGET = Path(__file__).parent.parent / "docs" / "screenshots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# File name → path
PAGES = {
    "recordings": "/recordings",
    "search": "/recordings?q=满意",
    "orders": "/orders",
    "links": "/links",
    "reports": "/reports",
    "status": "/status",
}


def log_in(page: Page, base: str, name: str, password: str) -> None:
    """Through the login form, as a person does."""
    page.goto(f"{base}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_load_state()


def take(base: str, name: str, password: str, target: Path, width: int, scheme: str, chromium: str) -> None:
    """Every page at one width in one colour scheme."""
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        log_in(page, base, name, password)
        for file, path in PAGES.items():
            page.goto(base + path)
            page.screenshot(path=target / f"{file}.png")
        # A search hit leads to a recording that has text.
        page.goto(base + PAGES["search"])
        page.goto(base + str(page.locator("a[href*='/recordings/0']").first.get_attribute("href")))
        page.screenshot(path=target / "recording.png", full_page=width < 800)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("name")
    parser.add_argument("password")
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    take(
        options.base.rstrip("/"), options.name, options.password, options.target, options.width, options.scheme,
        options.chromium,
    )  # fmt: skip
