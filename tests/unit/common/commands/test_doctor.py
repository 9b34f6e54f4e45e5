"""`rankcast doctor`: what it finds, what it advises, and when it exits with 1."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from rankcast.commands.doctor import doctor, libraries, storage, system
from rankcast.commands.doctor.finding import Finding, Verdict
from rankcast.errors import RankcastError, SettingsError
from rankcast.net import CONTROL_PORT_OFFSET, new_key
from rankcast.runtime.system_clock import ClockQuality
from support.fakes import free_address


def run(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and the findings by subject."""
    done = CliRunner().invoke(doctor, [*arguments, "--json"], standalone_mode=False)
    assert done.exception is None, done.output
    report = json.loads(done.output)
    assert report["sound"] == (done.return_value == 0)
    return done.return_value, {item["subject"]: item for item in report["findings"]}


def free_port() -> int:
    return int(free_address().rsplit(":", 1)[1])


def only(found: Any) -> Finding:
    """Return the one finding of a check."""
    (finding,) = [found] if isinstance(found, Finding) else list(found)
    return finding


def test_a_sound_station_has_no_finding_that_stops_a_stream(tmp_path: Path) -> None:
    code, found = run("--folder", str(tmp_path), "--port", str(free_port()))
    assert code == 0
    for subject in ("python", "native core", "ZeroMQ", "OpenCV", "video files", "clock"):
        assert found[subject]["found"]
        assert found[subject]["verdict"] != "stops"


def test_every_finding_that_is_not_ok_says_what_to_do(tmp_path: Path) -> None:
    _, found = run("--folder", str(tmp_path), "--key", str(tmp_path / "no.key"))
    for item in found.values():
        assert bool(item["advice"]) == (item["verdict"] != "ok"), item


def test_the_table_names_each_subject_and_its_advice(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.key")
    done = CliRunner().invoke(doctor, ["--key", missing], standalone_mode=False)
    assert done.return_value == 1
    assert "native core" in done.output
    assert "-> rankcast keys new NAME makes a pair" in done.output


def test_a_port_in_use_stops_a_sender_and_is_named_with_its_purpose(tmp_path: Path) -> None:
    port = free_port()
    with closing(socket.create_server(("127.0.0.1", port + CONTROL_PORT_OFFSET))):
        code, found = run("--port", str(port), "--folder", str(tmp_path))
    assert code == 1
    assert found[f"port {port}"]["verdict"] == "ok"
    control = found[f"port {port + CONTROL_PORT_OFFSET}"]
    assert control["verdict"] == "stops"
    assert "not free for control" in control["found"]


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is this machine on Linux")
def test_a_port_is_tried_at_the_address_that_a_sender_would_use() -> None:
    port = free_port()
    with closing(socket.create_server(("127.0.0.2", port))):
        assert system._port("127.0.0.1", port, "frames").verdict is Verdict.OK
        assert system._port("127.0.0.2", port, "frames").verdict is Verdict.STOPS
        assert system._port("*", port, "frames").verdict is Verdict.STOPS


def test_an_address_of_another_machine_stops_a_sender() -> None:
    finding = system._port("192.0.2.1", free_port(), "frames")
    assert finding.verdict is Verdict.STOPS
    assert "an address of this machine" in finding.advice


def test_a_port_without_one_for_control_above_it_is_wrong_usage() -> None:
    done = CliRunner().invoke(doctor, ["--port", "65526"])
    assert done.exit_code == 2
    assert "65525" in done.output


def test_sound_keys_are_named_and_keys_that_others_can_read_stop_the_start(tmp_path: Path) -> None:
    new_key(tmp_path, "station")
    secret = tmp_path / "station.key"
    assert storage.check_key(secret).verdict is Verdict.OK
    assert storage.check_key(tmp_path / "station.pub").verdict is Verdict.OK
    secret.chmod(0o644)
    finding = storage.check_key(secret)
    assert finding.verdict is Verdict.STOPS
    assert "chmod 600" in finding.found


def test_an_empty_folder_of_keys_stops_everybody(tmp_path: Path) -> None:
    assert storage.check_key(tmp_path).verdict is Verdict.STOPS


def test_a_folder_that_does_not_exist_yet_is_checked_at_its_parent(tmp_path: Path) -> None:
    space, disk = storage.check_folder(tmp_path / "a" / "b")
    assert space.verdict is Verdict.OK
    assert "MB/s" in disk.found
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_to_write_stops_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(storage.os, "fsync", full)
    finding = only(storage.check_folder(tmp_path))
    assert finding.verdict is Verdict.STOPS
    assert "No space left" in finding.found
    assert not list(tmp_path.iterdir())


def test_a_full_disk_stops_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert next(iter(storage.check_folder(tmp_path))).verdict is Verdict.STOPS
    monkeypatch.chdir(tmp_path)
    code, found = run("--port", str(free_port()))
    assert found[f"folder {tmp_path}"]["verdict"] == "note"
    assert code == 0


@pytest.mark.parametrize(
    ("quality", "verdict", "found"),
    [
        (ClockQuality(True, 1.5), Verdict.OK, "within 1.5 ms"),
        (ClockQuality(True, 400.0), Verdict.NOTE, "400 ms off"),
        (ClockQuality(False), Verdict.NOTE, "not synchronised"),
        (ClockQuality(), Verdict.NOTE, "does not tell"),
    ],
)
def test_the_clock_is_judged_by_its_error(
    monkeypatch: pytest.MonkeyPatch, quality: ClockQuality, verdict: Verdict, found: str
) -> None:
    monkeypatch.setattr(system, "clock_quality", lambda: quality)
    finding = system._clock()
    assert finding.verdict is verdict
    assert found in finding.found


def test_small_buffers_of_the_kernel_come_with_the_command_that_raises_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rmem_max").write_text("100000\n")
    (tmp_path / "wmem_max").write_text("4000000\n")
    monkeypatch.setattr(system, "_SYSCTL", tmp_path)
    assert system._socket_buffers().advice == "sudo sysctl -w net.core.rmem_max=262144"
    assert "net.core.rmem_max=10485760" in system._packet_buffers().advice


def test_a_kernel_that_tells_nothing_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_SYSCTL", tmp_path)
    assert system._socket_buffers().verdict is Verdict.NOTE


def test_the_shared_memory_of_a_container_is_found_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _: SimpleNamespace(free=32 << 20))
    finding = system._shared_memory()
    assert finding.verdict is Verdict.NOTE
    assert "--shm-size" in finding.advice


def test_missing_shared_memory_stops_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_SHARED", tmp_path / "none")
    assert system._shared_memory().verdict is Verdict.STOPS


@pytest.mark.parametrize(
    ("build", "display", "found"),
    [
        ("    GUI:  NONE\n", ":0", "no windows"),
        ("    GUI:  QT5\n", "", "DISPLAY is not set"),
        ("    GUI:  QT5\n", ":0", "QT5"),
    ],
)
def test_windows_need_a_toolkit_and_a_screen(
    monkeypatch: pytest.MonkeyPatch, build: str, display: str, found: str
) -> None:
    from rankcast.opencv import cv2

    monkeypatch.setattr(cv2, "getBuildInformation", lambda: build)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    window = [x for x in libraries._opencv() if x.subject == "window"]
    assert found in only(window).found


def test_a_zeromq_without_curve_stops_a_station_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    import zmq

    monkeypatch.setattr(zmq, "has", lambda _: False)
    assert libraries._zeromq().verdict is Verdict.STOPS


def test_an_extra_that_is_missing_comes_with_its_install_command() -> None:
    finding = libraries._extra("no_such_module_here", "cameras", "pip install it")
    assert finding.verdict is Verdict.NOTE
    assert "pip install it" in finding.advice


def test_an_extra_without_metadata_is_no_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stray_module_here").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = libraries._extra("stray_module_here", "cameras", "pip install it")
    assert finding.verdict is Verdict.NOTE
    assert "no installed package" in finding.found


def test_an_opencv_that_does_not_load_comes_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import builtins

    load = builtins.__import__
    for error, advice in (
        (RankcastError("OpenCV does not load"), "pip install --force opencv-python-headless"),
        (SettingsError("got OPENCV_X = 1"), "correct that environment variable, or unset it"),
    ):

        def fail(name: str, *args: Any, error: RankcastError = error) -> Any:
            if name == "rankcast.opencv":
                raise error
            return load(name, *args)

        with monkeypatch.context() as patch:
            patch.setattr(builtins, "__import__", fail)
            finding = only(libraries._opencv())
        assert (finding.verdict, finding.advice) == (Verdict.STOPS, advice)


def test_missing_bindings_of_aravis_come_with_the_packages_to_install(tmp_path: Path) -> None:
    finding = libraries._aravis(tmp_path)
    assert finding.verdict is Verdict.NOTE
    assert "apt-get install gir1.2-aravis-0.8 python3-gi" in finding.advice
    typelib = tmp_path / "lib" / "x86_64-linux-gnu" / "girepository-1.0" / "Aravis-0.8.typelib"
    typelib.parent.mkdir(parents=True)
    typelib.touch()
    finding = libraries._aravis(tmp_path)
    assert "gir1.2" not in finding.found
    assert "apt-get install python3-gi," in finding.advice
    gi = tmp_path / "lib" / "python3" / "dist-packages" / "gi"
    gi.mkdir(parents=True)
    (gi / "__init__.py").touch()
    assert libraries._aravis(tmp_path).verdict is Verdict.OK
