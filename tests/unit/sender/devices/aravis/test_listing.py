"""The cameras that Aravis finds, for `rankcast cameras`."""

from __future__ import annotations

import pytest

from rankcast_sender.devices.aravis import list_devices, listing
from support.fake_aravis import CAMERA_ID, FakeAravis, FakeCamera, device_error, sensor


def test_each_camera_is_listed_with_the_source_that_opens_it_and_its_formats() -> None:
    camera = FakeCamera(sensor())
    aravis = FakeAravis(camera, ("Beta-u1", "u1", "", "guid-1"))
    assert list_devices(lambda: aravis) == [
        {
            "path": CAMERA_ID, "model": "Acme Acme", "serial": "12345", "name": "",
            "link": "GigE 10.0.0.7", "problem": "",
            "formats": ["Mono8", "Mono12p", "BayerRG12Packed", "Coord3D_C8"],
        },
        {
            "path": "Beta-u1", "model": "Beta Beta", "serial": "u1", "name": "",
            "link": "USB3", "problem": "",
            "formats": ["Mono8", "Mono12p", "BayerRG12Packed", "Coord3D_C8"],
        },
    ]  # fmt: skip
    assert camera.device.steps == ["left", "left"], "the listing kept control of the camera"


def test_a_camera_that_cannot_be_opened_is_listed_with_its_problem() -> None:
    camera = FakeCamera(sensor())
    camera.device.controller = False
    (listed,) = list_devices(lambda: FakeAravis(camera))
    assert listed["formats"] == []
    assert str(listed["problem"]).startswith(f"aravis:{CAMERA_ID}: another program holds it")
    aravis = FakeAravis(FakeCamera(sensor()))
    aravis.failure = device_error("TIMEOUT", "no answer")
    (listed,) = list_devices(lambda: aravis)
    assert "does not open (no answer)" in str(listed["problem"])


def test_cameras_that_answer_slowly_do_not_hold_up_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "OPENING_S", 0.0)
    aravis = FakeAravis(FakeCamera(sensor()))
    (listed,) = list_devices(lambda: aravis)
    assert (listed["formats"], listed["problem"], aravis.opened) == ([], "", [])
