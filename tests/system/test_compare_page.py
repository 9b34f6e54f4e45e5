"""The HTML report of `rankcast compare` in a browser, at the width of a telephone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rankcast.commands.compare.html_page import Figure, HtmlPage, HtmlTable, write_page
from support.browser import CHROMIUM, MISSING, browser, complaints, resize

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
TITLES = ("codec", *(f"number {n}" for n in range(9)))


def test_a_telephone_scrolls_table_and_plots_and_keeps_names_in_sight(tmp_path: Path) -> None:
    png = cv2.imencode(".png", np.zeros((400, 1500, 3), np.uint8))[1].tobytes()
    rows = [[name, *("12,345" for _ in range(9))] for name in ("svd-patch", "mjpeg")]
    table = HtmlTable(TITLES, [*rows, ["av1", "left out: no encoder"]], words=1)
    path = tmp_path / "report.html"
    write_page(path, HtmlPage("clip.mp4", "640 x 360", table, ["a"], [Figure(png, "b", ())], [png]))
    with browser() as driver:
        resize(driver, 390, 844)
        driver.get(path.as_uri())
        assert complaints(driver) == []
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390
        # Letters of a plot that is drawn for 1500 pixels cannot be read at 326.
        assert driver.execute_script("return document.querySelector('.plot').clientWidth") > 700
        edges = driver.execute_script("""
            const table = document.querySelector(".scroll");
            table.scrollLeft = 300;
            const left = (one) => one.getBoundingClientRect().left;
            const [name] = document.querySelectorAll("tbody td");
            return [table.scrollLeft, left(name) - left(table)];
        """)
        assert edges == [300, 0]
