"""A password in an address is refused, and repeated in no line, by none of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fakes import free_address
from support.processes import run

SECRET = "s3cr3t-word"
WITH_PASSWORD = f"nats://anna:{SECRET}@host:4222"
SOURCE = ("--source", "synthetic:conveyor")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("receive", "--connect", WITH_PASSWORD),
        ("receive", "--connect", WITH_PASSWORD, "--connect", WITH_PASSWORD),
        ("receive", "--connect", WITH_PASSWORD.replace("nats", "NATS")),
        ("receive", "--connect", WITH_PASSWORD.removeprefix("nats://")),
        ("receive", "--connect", f"nats://{'a' * 60}:{SECRET}@host"),
        ("receive", "--set", f"network.connect={WITH_PASSWORD}"),
        ("receive", "--set", WITH_PASSWORD),
        ("receive", WITH_PASSWORD),
        ("receive", "--web", WITH_PASSWORD),
        ("send", *SOURCE, "--to", WITH_PASSWORD),
        ("send", *SOURCE, "--control", WITH_PASSWORD),
        ("relay", "--from", WITH_PASSWORD),
        ("relay", "--from", "tcp://127.0.0.1:5555", "--to", WITH_PASSWORD),
        ("relay", "--metrics", WITH_PASSWORD),
        ("find", "--nats", WITH_PASSWORD),
        ("control", WITH_PASSWORD, "status"),
    ],
)  # fmt: skip
def test_a_password_in_a_refused_address_is_not_repeated(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert SECRET not in ended.stdout + ended.stderr
    assert "host" in ended.stderr or "password" in ended.stderr


@pytest.mark.slow
def test_a_password_in_a_settings_file_or_a_variable_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "receiver.toml"
    file.write_text(f'[network]\nconnect = ["tcp://127.0.0.1:5555", "{WITH_PASSWORD}"]\n')
    from_file = run("receive", "--config", str(file))
    monkeypatch.setenv("RANKCAST_RECEIVE__NETWORK__CONNECT", WITH_PASSWORD)
    from_variable = run("receive")
    for ended in (from_file, from_variable):
        assert ended.returncode == 2
        assert "nats.password_file" in ended.stderr
        assert SECRET not in ended.stdout + ended.stderr


def test_a_camera_whose_password_stands_in_the_path_is_logged_without_it() -> None:
    path = f"user=anna_password={SECRET}_channel=1_stream=0.sdp"
    ended = run(
        "send", "--source", f"rtsp://127.0.0.1:9/{path}", "--to", free_address(),
        "--set", "camera.retry=false",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "rtsp://127.0.0.1:9/***, listening at" in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert "anna" not in ended.stdout + ended.stderr
