"""What the page looks like, against pictures made by this test on the browser that `references/browser.txt` names.

Both are brought down to blocks of 4 × 4 pixels and compared block by block: smoothing and the browser's version move
single pixels, what matters moves blocks. `PICTURES=write` makes the references anew; look at them before committing.
"""

import io
import os
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

pytestmark = pytest.mark.browser

REFERENCES = Path(__file__).parent / "references"
BLOCK = 4
DIFFERENT = 0.12
"""By how much a block's colour, from 0 to 1, has to differ to count."""
ALLOWED = 0.02
"""The share of blocks that may."""

VIEWS = {
    "accuracy": ("accuracy", 1100, "light"),
    "accuracy-dark": ("accuracy", 1100, "dark"),
    "theatre": ("theatre", 1100, "light"),
    "theatre-dark": ("theatre", 1100, "dark"),
    "theatre-phone": ("theatre", 390, "light"),
    "failures": ("failures", 1100, "light"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_page_looks_as_it_did(browser: Any, run: Path, name: str) -> None:
    from tests.browser.browsing import opened

    section, width, scheme = VIEWS[name]
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    opened(page, run / "report.html")
    # The bar that stays at the top would lie over what is photographed.
    page.evaluate("document.querySelector('nav').remove()")
    if section == "theatre":
        page.select_option("#theatre-a", "cmc")
        page.select_option("#theatre-b", "sc")
        page.wait_for_function(
            "() => (document.querySelector('.stages').dataset.ready || '').includes('\"cmc\",\"sc\"')"
        )
        page.check("#theatre-all")
        page.fill("#theatre-scrub", "6")
    photograph = page.locator(f"#{section}").screenshot()
    page.close()
    file = REFERENCES / f"{name}.png"
    if os.environ.get("PICTURES") == "write":
        REFERENCES.mkdir(exist_ok=True)
        file.write_bytes(photograph)
        (REFERENCES / "browser.txt").write_text(f"Chromium {browser.version}\n")
        return
    share = different(photograph, file.read_bytes())
    assert share <= ALLOWED, f"{100 * share:.1f} % of {name} differs from {file.name}; it may be {100 * ALLOWED:g} %"


def test_a_different_picture_is_told(tmp_path: Path) -> None:
    here = (REFERENCES / "theatre.png").read_bytes()
    pixels = matplotlib.image.imread(io.BytesIO(here))
    height, width = pixels.shape[:2]
    assert different(here, here) == 0
    pixels = pixels.copy()
    pixels[: height // 5, : width // 4, :3] = 0.3
    matplotlib.image.imsave(tmp_path / "changed.png", pixels)
    assert different((tmp_path / "changed.png").read_bytes(), here) > ALLOWED
    matplotlib.image.imsave(tmp_path / "shorter.png", pixels[: height // 2])
    assert different((tmp_path / "shorter.png").read_bytes(), here) > ALLOWED


def different(one: bytes, other: bytes) -> float:
    """The share of blocks in which two PNGs differ; what only one of them has counts as different."""
    a, b = blocks(one), blocks(other)
    height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    canvas = np.full((2, height, width, 3), -1.0)
    for place, picture in enumerate((a, b)):
        canvas[place, : picture.shape[0], : picture.shape[1]] = picture
    return float((np.abs(canvas[0] - canvas[1]).max(axis=2) > DIFFERENT).mean())


def blocks(png: bytes) -> np.ndarray:
    """The mean colours of a picture's blocks, shape (rows, columns, 3), from 0 to 1."""
    pixels = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    return pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3))
