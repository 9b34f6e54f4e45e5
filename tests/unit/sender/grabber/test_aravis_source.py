"""`aravis:` as a source: which Python runs it, and what it says when something is missing."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from rankcast.errors import SettingsError, SourceError
from rankcast_sender.grabber import (
    AravisOptions,
    aravis_source,
    require_linux,
)
from rankcast_sender.grabber.bindings_python import (
    SYSTEM_PYTHON,
    BindingsPython,
    bindings_python,
)
from rankcast_sender.sources import check_query, parse_source
from support.fake_gige import fake_gige, opened


@pytest.fixture
def _no_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("rankcast_sender.grabber.bindings_python.find_spec", lambda _: None)


@pytest.mark.usefixtures("_no_bindings")
def test_the_python_of_the_sender_is_used_if_the_bindings_were_compiled_for_it(
    tmp_path: Path,
) -> None:
    system = tmp_path / "python3"
    system.touch(mode=0o755)
    packages = tmp_path / "dist-packages"
    compiled = packages / "gi"
    compiled.mkdir(parents=True)
    (compiled / "_gi.cpython-27-other.so").touch()
    assert bindings_python(str(packages), str(system)) == BindingsPython(str(system))
    (compiled / f"_gi{importlib.machinery.EXTENSION_SUFFIXES[0]}").touch()
    assert bindings_python(str(packages), str(system)) == BindingsPython("", (str(packages),))


@pytest.mark.usefixtures("_no_bindings")
def test_without_a_system_python_the_process_says_what_is_missing(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    assert bindings_python(none, none) == BindingsPython()


def test_bindings_in_the_environment_of_the_sender_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "rankcast_sender.grabber.bindings_python.find_spec", lambda name: name == "gi" or None
    )
    assert bindings_python() == BindingsPython()


def test_missing_bindings_are_one_line_with_the_packages_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # An environment without the bindings: nothing but the standard library.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(aravis_source, "bindings_python", lambda: BindingsPython(str(python)))
    with pytest.raises(SettingsError) as caught, opened("aravis:RC01"):
        pass
    said = str(caught.value)
    assert said.startswith("aravis:RC01: needs the bindings of Aravis 0.8 (No module named 'gi')")
    assert "run apt-get install gir1.2-aravis-0.8 python3-gi" in said
    assert "\n" not in said


def test_the_system_s_python_grabs_without_numpy_and_without_rankcast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fake_gige():
        if importlib.util.find_spec("gi") is None and not Path(SYSTEM_PYTHON).exists():
            pytest.skip(f"no {SYSTEM_PYTHON} here")
        monkeypatch.setattr(aravis_source, "bindings_python", lambda: BindingsPython(SYSTEM_PYTHON))
        with opened("aravis:RC01") as source:
            frames = list(itertools.islice(source, 3))
    assert [frame.pixels.shape for frame in frames] == [(512, 512)] * 3


@pytest.mark.slow
def test_a_camera_that_another_program_holds_is_named_as_such() -> None:
    with fake_gige(), opened("aravis:RC01") as holder:
        next(iter(holder))
        with pytest.raises(SourceError) as caught, opened("aravis:RC01"):
            pass
    assert str(caught.value) == (
        "aravis:RC01: another program holds it (control access denied): end that program; after a "
        "crash the camera is free within seconds"
    )


def test_every_kind_of_format_arrives_with_its_bits_and_colours() -> None:
    with fake_gige():
        for name, shape, dtype, cfa in (
            ("Mono16", (48, 64), "uint16", ""),
            ("BayerGB8", (48, 64), "uint8", "GBRG"),
            ("RGB8", (48, 64, 3), "uint8", ""),
        ):
            query = f"aravis:RC01?pixel_format={name}&width=64&height=48&exposure=10000&gain=0"
            with opened(query) as source:
                assert f"64x48 {name}" in source.description
                frame = next(iter(source))
            assert (frame.pixels.shape, frame.pixels.dtype, frame.cfa) == (shape, dtype, cfa)
            if name == "Mono16":
                # The low byte of the fake camera is 255, the high one goes on by 1.
                steps = np.diff(frame.pixels.astype(int), axis=1)
                assert set(np.unique(steps)) <= {256, 256 - 255 * 256}


def test_what_this_camera_does_not_have_is_refused_with_what_it_has() -> None:
    """Settings of a real camera that opens; the fake one keeps them for the next program."""
    with fake_gige():
        for query, message in (
            ("pixel_format=Mono12p",
             "got pixel format Mono12p, want one of those that this camera has and Rankcast "
             "unpacks: pixel_format=BayerBG8, BayerGB8, BayerGR8, BayerRG8, Mono8, RGB8 or Mono16"),
            ("width=640&offset_x=1500",
             "got width = 640 from offset_x = 1500 on, the sensor has 2048 columns: want width + "
             "offset_x of 2048 at most"),
            ("trigger=on&trigger_source=Line7",
             "got trigger_source = 'Line7', want Line0 or Software"),
        ):  # fmt: skip
            with pytest.raises(SettingsError) as caught, opened(f"aravis:RC01?{query}"):
                pass
            assert str(caught.value) == f"aravis:RC01: {message}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("pixel_format=Mono13", "got pixel format 'Mono13', want one of Mono8, "),
        ("buffers=1", "want at least 2"),
        ("packet_bytes=100", "want at least 576"),
        ("resend=maybe", "'on' or 'off'"),
        ("zoom=2", "has no option 'zoom'; its options: "),
    ],
)
def test_an_option_that_is_impossible_is_refused_before_anything_is_opened(
    query: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_query(AravisOptions, parse_source(f"aravis:RC01?{query}"))
    assert message in str(caught.value)


def test_another_system_than_linux_is_told_what_to_use_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SettingsError, match="runs on Linux alone, use basler: or camera: here"):
        require_linux()
