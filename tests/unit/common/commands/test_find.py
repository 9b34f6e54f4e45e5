"""`rankcast find`: what is printed of what others announce."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from rankcast.commands import find as module
from rankcast.commands.find import find
from rankcast.discovery import Announcement, Browse
from rankcast.errors import NoStreamError
from rankcast.net import fingerprint

KEY = b"0" * 40
LINE3 = Announcement(
    "line3", "station7", 5555, ("10.0.0.7", "fd00::7"), "svd-patch", (1280, 720), KEY, "a.local"
)
BARE = Announcement("cam", "station8", 6000, ("fd00::8",), server="b.local")


def run(monkeypatch: pytest.MonkeyPatch, search: Browse, *arguments: str) -> Result:
    monkeypatch.setattr(module, "browse", lambda _timeout_s: search)
    return CliRunner().invoke(find, arguments)


def test_a_line_has_name_address_size_codec_and_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run(monkeypatch, Browse([BARE, LINE3]))
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "cam@station8\ttcp://[fd00::8]:6000\t-\t-\t-",
        f"line3@station7\ttcp://10.0.0.7:5555\t1280x720\tsvd-patch\t{fingerprint(KEY)}",
    ]


def test_json_has_the_same_and_the_key_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    bare, line3 = json.loads(run(monkeypatch, Browse([BARE, LINE3]), "--json").output)["cameras"]
    assert line3 == {
        "name": "line3@station7", "camera": "line3", "host": "station7",
        "addresses": ["10.0.0.7", "fd00::7"], "port": 5555, "endpoint": "tcp://10.0.0.7:5555",
        "width": 1280, "height": 720, "codec": "svd-patch", "fingerprint": fingerprint(KEY),
        "public_key": KEY.decode(),
    }  # fmt: skip
    assert bare["codec"] is bare["width"] is bare["fingerprint"] is bare["public_key"] is None


def test_a_table_holds_every_fingerprint_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    module._print_table(Browse([BARE, LINE3]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["name", "address", "size", "codec", "key"],
        ["cam@station8", "tcp://[fd00::8]:6000", "-", "-", "-"],
        ["line3@station7", "tcp://10.0.0.7:5555", "1280x720", "svd-patch", fingerprint(KEY)],
    ]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nothing_is_an_error_with_the_exit_code_of_no_stream(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    done = run(monkeypatch, Browse(), *arguments)
    assert isinstance(done.exception, NoStreamError)
    assert done.exception.exit_code == 4


def test_what_is_not_listed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, Browse([LINE3], refused=3, left_off=7))
    assert "3 announcements are malformed or incomplete and not listed\n" in done.output
    assert "7 more cameras are not listed: at most 256 are\n" in done.output
    done = run(monkeypatch, Browse([LINE3], refused=1, left_off=1))
    assert "1 announcement is malformed or incomplete and not listed\n" in done.output
    assert "1 more camera is not listed: at most 256 are\n" in done.output


@pytest.mark.parametrize("value", ["0", "-1", "nan", "61", "x"])
def test_a_time_out_of_range_is_wrong_usage(value: str) -> None:
    assert CliRunner().invoke(find, ["--timeout", value]).exit_code == 2
