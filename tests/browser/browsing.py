"""A headless Chromium that listens for what must not happen: errors on the console, and requests to the outside."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAM = os.environ.get("CHROMIUM", shutil.which("chromium") or shutil.which("chromium-browser") or "chromium")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--hide-scrollbars",
            "--font-render-hinting=none", "--disable-lcd-text"]  # fmt: skip


@dataclass
class Heard:
    """What a page said and asked for."""

    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=SWITCHES)
        yield browser
        browser.close()


def listen(page: Page) -> Heard:
    """Note down what a page says on its console, what it throws, and every request it makes."""
    heard = Heard()
    page.on("console", lambda message: heard.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.said.append(f"thrown: {error}"))
    page.on("request", lambda request: heard.asked.append(request.url))
    return heard


def opened(page: Page, file: Path) -> Page:
    """Open a page from the disk, and wait until its theatre has something to show."""
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    page.wait_for_selector("#theatre .stages[aria-busy=false]")
    page.wait_for_selector("#failures [data-ready]")
    return page
