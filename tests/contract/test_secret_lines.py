"""A password that somebody gave at the wrong place appears in no line of any command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankcast.runtime.logs import log_handler
from rankcast.runtime.runner import rankcast, run

SECRET = "s3cr3t-word"
PAIR = f"anna:{SECRET}@h"
URL = f"rtsp://{PAIR}/x"
RECEIVE = ("receive", "--connect", "nats://127.0.0.1:5")
SEND = ("send", "--to", "tcp://127.0.0.1:5", "--source")


@pytest.fixture(autouse=True)
def _keep_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, before = root.level, log_handler()
    yield
    root.setLevel(level)
    if (handler := log_handler()) is not None and handler is not before:
        root.removeHandler(handler)
        handler.close()


def lines_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    code = run(rankcast, arguments)
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert err
    return out + err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("control", PAIR, "status"), "got '***@h', want HOST"),
        (("control", f"tcp://{PAIR}", "status"), "got 'tcp://***@h', want HOST"),
        (("control", f"tcp://anna:{SECRET}", "status"), "got 'tcp://anna:***', want HOST"),
        ((*SEND, f"{PAIR}/x"), "got source '***@h/x'"),
        ((*SEND, f"rtps:{PAIR}/x"), "got source 'rtps:***@h/x'"),
        ((*SEND, f'rstp://anna:"{SECRET}@h/x'), "got source 'rstp://***@h/x'"),
        ((*SEND, f"rstp://{'a' * 300}:{SECRET}@h/x"), "got source 'rstp://***@h/x'"),
        ((*RECEIVE, "--camera", f"nats://{PAIR}"), "got camera name 'nats://***@h'"),
        ((*RECEIVE, "--stream", PAIR), "got stream name '***@h'"),
        (("receive", "--connect", f"nats://anna:{SECRET}"), "got address 'nats://anna:***'"),
        (("receive", "--connect", f"tcp://anna:{SECRET}"), "got address 'tcp://anna:***'"),
        (("relay", "--from", f"tcp://anna:{SECRET}"), "got address 'tcp://anna:***'"),
        (("find", "--nats", f"nats://anna:{SECRET}"), "got address 'nats://anna:***'"),
        ((*RECEIVE, "--set", f"nats.password={SECRET}"), "--set nats.password: [nats] password is"),
        ((*RECEIVE, "--set", f"nats.passwrd_file={SECRET}"), "passwrd_file is unknown"),
        ((*RECEIVE, "--set", f"security.key={SECRET}@x"), "--key and --server-key"),
        ((*RECEIVE, "--set", f"anna:x={SECRET}@h"), "got --set '***@h', want table.key=value"),
        ((*RECEIVE, "--set", f"a..b={SECRET}"), "got --set 'a..b=...', want table.key=value"),
        (("send", "--set", f"camera.surce=http://h/v?user=a&pwd={SECRET}"), "surce is unknown"),
        (("send", "--set", f"network.control=http://h/v?user=a&pwd={SECRET}"), "pwd=***"),
        (("service", "install", "send", "--name", URL), "got service name 'rtsp://***@h/x'"),
        (("service", "uninstall", URL), "got service name 'rtsp://***@h/x'"),
        (("keys", "new", URL), "got key name 'rtsp://***@h/x'"),
        (("keys", "new", f"{'a' * 70}:{SECRET}@h"), "got key name '***@h'"),
        (("info", URL), "rtsp:/***@h/x: cannot be read"),
        (("repair", URL), "rtsp:/***@h/x: cannot be read"),
        (("decompress", URL, "x.png"), "rtsp:/***@h/x: cannot be read"),
        (("compare", URL), "rtsp:/***@h/x: cannot be read"),
        (("receive", "--config", URL), "rtsp:/***@h/x: cannot be read"),
        ((*RECEIVE, "--record", URL), "want a name that ends in .mcap"),
        (("receive", "--connect", "tcp://127.0.0.1:5", "--web", "127.0.0.1:0",
          "--web-recordings", URL), "--web-recordings is not a directory: rtsp:/***@h/x"),
        (("receive", PAIR), "unexpected extra argument (***@h)"),
        ((PAIR,), "No such command '***@h'"),
    ],
)  # fmt: skip
def test_an_argument_with_a_password_is_not_repeated(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(*arguments, capsys=capsys)
    assert SECRET not in lines
    assert said in lines


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("RANKCAST_SEND__CAMERA__SOURCE", f"{PAIR}/x", "send"),
        ("RANKCAST_SEND__CAMERA__SOURCE", f"rtps:{PAIR}/x", "send"),
        ("RANKCAST_SEND__CAMERA__NAME", f"nats://{PAIR}", "send"),
        ("RANKCAST_RECEIVE__NETWORK__STREAM", PAIR, "receive"),
        ("RANKCAST_LOG_LEVEL", URL, "receive"),
        ("RANKCAST_LOG_LEVEL", f"rtsp://{'a' * 60}:{SECRET}@h", "receive"),
    ],
)
def test_a_variable_with_a_password_is_not_repeated(
    variable: str,
    value: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    lines = lines_of(command, capsys=capsys)
    assert SECRET.lower() not in lines.lower()
    assert "***@h" in lines.lower()


@pytest.mark.parametrize(
    "table",
    [
        f'source = "{PAIR}/x"',
        f'source = "rtps:{PAIR}/x"',
        f'source = "synthetic:conveyor"\nname = "nats://{PAIR}"',
        f'source = "synthetic:conveyor"\n[[camera.stream]]\nname = "{PAIR}"',
    ],
)
def test_a_settings_file_with_a_password_is_not_repeated(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sender.toml"
    file.write_text(f"[[camera]]\n{table}\n")
    lines = lines_of("send", "--config", str(file), capsys=capsys)
    assert SECRET not in lines
    assert "***@h" in lines
