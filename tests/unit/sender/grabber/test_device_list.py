"""Lists of devices from processes that answer, fail, hang, crash and talk nonsense."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rankcast.errors import SourceError
from rankcast_sender.grabber import DeviceSpec, ListedDevice, list_devices

ANSWER = """[{"path": "7", "model": "M", "serial": "S", "name": "", "link": "GigE",
              "formats": ["Mono8", "Mono12"], "problem": ""}]"""


def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> DeviceSpec:
    """Return a device whose ``list_devices`` has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (tmp_path / "listing_device.py").write_text(f"def list_devices():\n{lines}\n", "ascii")
    monkeypatch.syspath_prepend(str(tmp_path))
    return DeviceSpec("listing_device", "basler")


def test_devices_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chatty = f"import os\nos.write(1, b'driver ' * 100000)\nreturn {ANSWER}"
    assert list_devices(spec(tmp_path, monkeypatch, chatty)) == [
        ListedDevice("7", "M", "S", "", "GigE", ("Mono8", "Mono12"), "")
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise OSError('no network')", "^OSError: no network$"),
        ("import os\nos.abort()", "ended without an answer"),
        ("return [{'path': '7'}]", "the search answered"),
        ("return 5", "the search answered"),
        ("return None", "the search answered"),
    ],
)
def test_a_search_that_goes_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        list_devices(spec(tmp_path, monkeypatch, body))
    assert "\n" not in str(caught.value)


SAYING = """import os, threading
os.write(2, b'first\\nno route to rtsp://anna:s3cret@cam.local/  token abc\\n\\n')
"""
LAST_WORDS = r"; the driver says: no route to rtsp://\S*cam\.local/ token \*\*\*$"


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("os.abort()", "^basler: the search ended without an answer"),
        ("return 5", "^basler: the search answered .*"),
        ("threading.Event().wait()", "^basler: the search took more than 3 s and was ended"),
    ],
)
def test_a_search_that_goes_wrong_has_the_last_words_of_the_driver_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, message: str
) -> None:
    device = replace(spec(tmp_path, monkeypatch, SAYING + end), secrets=("abc",))
    with pytest.raises(SourceError, match=message + LAST_WORDS) as caught:
        list_devices(device, 3.0)
    assert "s3cret" not in str(caught.value)


def test_a_search_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started_s = time.monotonic()
    with pytest.raises(SourceError, match=r"took more than 0\.5 s and was ended"):
        list_devices(spec(tmp_path, monkeypatch, "import threading\nthreading.Event().wait()"), 0.5)
    assert time.monotonic() - started_s < 10
