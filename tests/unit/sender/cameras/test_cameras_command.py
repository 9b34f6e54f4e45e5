"""`rankcast cameras`: what it lists, what it says is missing, and what a failing search does."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rankcast.errors import SourceError
from rankcast_sender import cameras as cameras_module
from rankcast_sender.cameras import Family, FoundCamera, Search, cameras
from rankcast_sender.cameras.families import (
    INSTALL_ARAVIS,
    INSTALL_PYPYLON,
    find_aravis,
    find_basler,
)
from support.basler import needs_pypylon
from support.fake_gige import CAMERA_ID, SERIAL, fake_gige

WEBCAM = FoundCamera("camera:/dev/video0", "V4L2", "HD Webcam", "A1", link="uvcvideo",
                     formats=("MJPG", "YUYV"))  # fmt: skip
HELD = FoundCamera("basler:40012345", "Basler", "acA2440-20gm", "40012345", "left", "GigE",
                   problem="another program holds it: end that program")  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *families: Family, arguments: tuple[str, ...] = ()) -> str:
    monkeypatch.setattr(cameras_module, "FAMILIES", families)
    done = CliRunner().invoke(cameras, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    return done.output


def test_each_camera_is_a_line_with_the_source_that_opens_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = run(
        monkeypatch,
        Family("V4L2", lambda: Search([WEBCAM])),
        Family("Basler", lambda: Search([HELD])),
    )
    _, webcam, held = text.splitlines()
    words = "camera:/dev/video0 HD Webcam (uvcvideo) A1 MJPG, YUYV"
    assert webcam.split() == words.split()
    assert 'acA2440-20gm (GigE), named "left"' in held
    assert "another program holds it: end that program" in held


def test_what_is_missing_is_said_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = run(monkeypatch, Family("Basler", lambda: Search(missing=INSTALL_PYPYLON)))
    assert text.splitlines() == [
        "no camera found",
        "for Basler cameras: pip install 'rankcast[basler]'",
    ]


def test_json_has_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = run(
        monkeypatch,
        Family("V4L2", lambda: Search([WEBCAM])),
        Family("Aravis", lambda: Search(missing=INSTALL_ARAVIS)),
        arguments=("--json",),
    )
    values: Any = json.loads(text)
    assert values["missing"] == {"Aravis": "apt-get install gir1.2-aravis-0.8 python3-gi"}
    (camera,) = values["cameras"]
    assert camera == {
        "source": "camera:/dev/video0", "kind": "V4L2", "model": "HD Webcam", "serial": "A1",
        "name": "", "link": "uvcvideo", "formats": ["MJPG", "YUYV"], "problem": "",
    }  # fmt: skip


def test_a_search_that_fails_is_told_and_the_others_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> Search:
        raise SourceError("pylon cannot look for cameras: no socket")

    text = run(monkeypatch, Family("Basler", fail), Family("V4L2", lambda: Search([WEBCAM])))
    assert "camera:/dev/video0" in text
    assert "for Basler cameras: the search failed: pylon cannot look for cameras" in text


def test_without_pypylon_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert find_basler() == Search(missing="pip install 'rankcast[basler]'")


def test_without_the_bindings_of_aravis_the_packages_are_named(tmp_path: Path) -> None:
    assert find_aravis(tmp_path).missing == INSTALL_ARAVIS


def test_the_fake_camera_of_aravis_is_listed_with_the_source_that_opens_it() -> None:
    with fake_gige():
        (camera,) = find_aravis().cameras
    assert camera == FoundCamera(
        f"aravis:{CAMERA_ID}", "Aravis", "Aravis Fake", SERIAL, link="GigE 127.0.0.1",
        formats=("BayerBG8", "BayerGB8", "BayerGR8", "BayerRG8", "Mono8", "RGB8", "Mono16"),
    )  # fmt: skip


@needs_pypylon
def test_the_emulator_of_basler_is_listed_with_its_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    left, right = find_basler().cameras
    assert (left.source, left.model, left.link) == ("basler:0815-0000", "Emulation", "emulated")
    assert right.source == "basler:0815-0001"
    assert {"Mono8", "Mono12", "BayerRG12", "BGR8Packed"} <= set(left.formats)
    assert left.problem == ""
