#!/usr/bin/env python3
"""Write the moving picture of the README: the replay theatre of a run's page, played from its first step to its last.

usage: .venv/bin/python tools/theatre_picture.py [RUN] [PICTURE]   (examples/bundled-loop, docs/images/theatre.gif)

The page is the one that `autotts report` writes, shown by Chromium (CHROMIUM names another program) with its most
telling question. The page's own scrubber is moved from step to step, and each step is a frame. Needs the extra `dev`,
with Playwright and Pillow.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 960
STYLE = """
body { background: #fff } #theatre { border: 0; padding: .6rem 1rem }
#theatre > *:not(#theatre-root), #theatre-root > *:not(.question, .stages, .legend) { display: none !important }
#theatre .labels, .legend .quiet { display: none !important }
"""
STEP_MS, END_MS = 220, 5000
"""How long a frame is shown, and the last one."""
COLOURS = 128
MOST = 500_000
"""Largest size of the picture, in bytes."""


def frames(run: Path) -> list[Image.Image]:
    """Return a picture of the theatre after each step of the episode."""
    subprocess.run(
        [sys.executable, "-m", "autotts", "report", str(run)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light", reduced_motion="reduce")
        page.goto((run / "report.html").resolve().as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        page.wait_for_selector("#theatre .stages[aria-busy=false]")
        # The page's policy admits its own style sheet alone; one made by a script of the browser is outside of it.
        page.evaluate("text => { const sheet = new CSSStyleSheet(); sheet.replaceSync(text);"
                      " document.adoptedStyleSheets.push(sheet); }", STYLE)  # fmt: skip
        scrubber = page.locator("#theatre-scrub")
        last = int(scrubber.get_attribute("max") or 0)
        taken = []
        for step in range(last + 1):
            scrubber.evaluate(
                "(input, step) => { input.value = step; input.dispatchEvent(new Event('input', { bubbles: true })); }",
                step,
            )
            taken.append(
                Image.open(io.BytesIO(page.locator("#theatre").screenshot(animations="disabled"))).convert("RGB")
            )
        browser.close()
    return taken


def save(pictures: list[Image.Image], path: Path) -> None:
    """Write the frames as an animated GIF, all in the same colours: those of the first, the middle and the last one."""
    height = max(each.height for each in pictures)
    even = []
    for each in pictures:
        frame = Image.new("RGB", (each.width, height), "white")
        frame.paste(each)
        even.append(frame)
    samples = [even[0], even[len(even) // 2], even[-1]]
    sheet = Image.new("RGB", (even[0].width, height * len(samples)))
    for place, each in enumerate(samples):
        sheet.paste(each, (0, place * height))
    palette = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
    reduced = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in even]
    durations = [STEP_MS] * (len(reduced) - 1) + [END_MS]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "picture.gif"
        reduced[0].save(made, save_all=True, append_images=reduced[1:], duration=durations, loop=0, optimize=True)
        size = made.stat().st_size
        if size > MOST:
            raise SystemExit(f"the picture has {size:,} bytes, and at most {MOST:,} are allowed; take another question")
        shutil.copy(made, path)
    print(f"{path}: {len(reduced)} frames, {reduced[0].width} × {height}, {size:,} bytes")


if __name__ == "__main__":
    given = [Path(each) for each in sys.argv[1:]]
    own = [ROOT / "examples/bundled-loop", ROOT / "docs/images/theatre.gif"]
    run_folder, picture = given + own[len(given) :]
    save(frames(run_folder), picture)
