"""Whole packets decode to the same pixels in Python, in the native core, and as WebAssembly."""

from __future__ import annotations

import base64
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd import cut, read_bands
from rankcast.core import function
from rankcast.wire import unpack
from support.core_packets import (
    CORPUS,
    GOLDEN,
    Case,
    CoreDecoder,
    cases_of,
    core_results,
    line_of,
    parsed,
    program_lines,
    python_results,
    write_cases,
)
from support.intake import split_messages
from support.moving_scene import scene
from support.packets import packets_of
from support.replaying import PACKETS, REPOSITORY, build_here, build_static, module_of

pytestmark = pytest.mark.timeout(300)
"""Whoever comes first compiles a program or the module."""
WASM_SOURCES = REPOSITORY / "tests" / "wasm"
MOST_WASM_BYTES = 150_000
QEMU = shutil.which("qemu-aarch64")
WINE = shutil.which("wine") or shutil.which("wine64", path="/usr/bin:/usr/lib/wine")
"""Debian's wine64 by itself puts no command into the path."""
NODE = shutil.which("node") or shutil.which("nodejs")
CHROMIUM = shutil.which("chromium")
own_compiler = pytest.mark.skipif(
    "RANKCAST_CC" in os.environ, reason="RANKCAST_CC builds for this machine only"
)


def golden_streams() -> dict[str, list[Case]]:
    """Every golden stream that the core decodes, by the file it is from."""
    found = {path.name: [path.read_bytes()] for path in sorted(GOLDEN.glob("*.rkc"))}
    found |= {path.name: packets_of(path) for path in sorted(GOLDEN.glob("svd_patch/*.rks"))}
    streams = {}
    for name, data in found.items():
        packets = parsed(data)
        if cases := cases_of(packets):
            streams[name] = cases
    return streams


def corpus_streams(folder: str) -> dict[str, list[Case]]:
    """The packets of a corpus that a parser of headers lets through, a stream each."""
    streams = {}
    for path in sorted((CORPUS / folder).rglob("*.*")):
        if path.suffix not in (".msg", ".seq"):
            continue
        data = path.read_bytes()
        messages = [data] if path.suffix == ".msg" else split_messages(data)
        packets = parsed(message.partition(b"\0")[2] for message in messages)
        by_stream = itertools.groupby(
            sorted(packets, key=lambda packet: packet.header.stream_id),
            key=lambda packet: packet.header.stream_id,
        )
        for stream_id, group in by_stream:
            if cases := cases_of(group):
                streams[f"{path.relative_to(CORPUS).as_posix()} {stream_id.hex()[:6]}"] = cases
    return streams


STREAMS = {"golden": golden_streams, "seeds": lambda: corpus_streams("seeds"),
           "malicious": lambda: corpus_streams("malicious"),
           "regressions": lambda: corpus_streams("regressions")}  # fmt: skip


def differences(streams: dict[str, list[Case]], lines: list[str]) -> dict[str, tuple[str, str]]:
    """Lines of a program that are not those of Python, by stream and number."""
    names = [f"{name} {i}" for name, cases in streams.items() for i in range(len(cases))]
    wanted = [line_of(result) for cases in streams.values() for result in python_results(cases)]
    assert len(lines) == len(wanted)
    return {
        name: (one, other)
        for name, one, other in zip(names, wanted, lines, strict=True)
        if one != other
    }


def every_stream() -> dict[str, list[Case]]:
    return {f"{kind} {name}": cases for kind, find in STREAMS.items()
            for name, cases in find().items()}  # fmt: skip


@pytest.fixture(scope="module")
def cases_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = itertools.chain.from_iterable(every_stream().values())
    return write_cases(tmp_path_factory.mktemp("cases") / "packets.cases", cases)


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    return module_of(REPOSITORY / "scripts" / "build_core.py")


@pytest.fixture(scope="module")
def wasm(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    module: Path = builder.build_wasm(tmp_path_factory.mktemp("wasm"))
    return module


def test_the_golden_packets_are_of_all_codecs_that_the_core_decodes() -> None:
    cases = itertools.chain.from_iterable(golden_streams().values())
    forms = {(case.header.codec, *map(int, case.header.params[:1])) for case in cases}
    assert forms >= {(0,), *((1, form) for form in range(4)), *((3, layout) for layout in range(5))}
    assert forms >= {(4, transform) for transform in range(2)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", STREAMS)
def test_the_core_gives_the_pixels_of_python_and_refuses_what_python_refuses(kind: str) -> None:
    streams = STREAMS[kind]()
    lines = [line_of(result) for cases in streams.values() for result in core_results(cases)]
    assert differences(streams, lines) == {}
    if kind == "golden":
        assert "error" not in lines


SETTINGS = [
    ("raw", {}),
    ("lossless", {}),
    *(("svd", {"factors": form}) for form in ("coded", "float16", "float32", "float64")),
    ("svd", {"colour": "ycc420"}),
    ("svd", {"rank": 1.0}),
    *(("svd-patch", {"quality": quality}) for quality in (5, 75, 100)),
    ("svd-patch", {"colour": "ycc444"}),
    ("svd-patch", {"refs": 2}),
]


@st.composite
def streams_of_encoders(draw: st.DrawFn) -> list[Case]:
    codec, options = draw(st.sampled_from(SETTINGS))
    coloured = "colour" in options
    sides = (draw(st.integers(1, 70)), draw(st.integers(1, 70)))
    shape = (*sides, 3) if coloured else (*sides, *draw(st.sampled_from([(), (1,), (3,), (4,)])))
    dtype = draw(st.sampled_from(["uint8", "uint16"]))
    encoder = rankcast.Encoder(codec, **options)
    packets = [unpack(encoder.encode(scene(number, shape, dtype))) for number in range(3)]
    if codec == "svd":
        packets = [cut(packet, draw(st.integers(1, len(read_bands(packet))))) for packet in packets]
    return cases_of(packets)


@settings(max_examples=80, deadline=None)
@given(streams_of_encoders(), st.data())
def test_streams_of_all_settings_and_damaged_ones_agree(
    cases: list[Case], data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        number = data.draw(st.integers(0, len(cases) - 1))
        body = bytearray(cases[number].body)
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        cases[number] = Case(cases[number].begins, cases[number].header, bytes(body))
    wanted = [line_of(result) for result in python_results(cases)]
    assert [line_of(result) for result in core_results(cases)] == wanted


def test_a_picture_of_two_slices_or_bands_agrees() -> None:
    images = [scene(number, (736, 1280, 3)) for number in range(2)]
    for codec in ("svd-patch", "lossless"):
        encoder = rankcast.Encoder(codec)
        cases = cases_of(unpack(encoder.encode(image)) for image in images)
        wanted = [line_of(result) for result in python_results(cases)]
        assert [line_of(result) for result in core_results(cases)] == wanted


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 7, 9, 10, 11, 64, 1001])
def test_pixels_reach_a_screen_as_they_are(count: int) -> None:
    bgr = np.random.default_rng(count).integers(0, 256, (count, 3), np.uint8)
    rgba = np.zeros((count + 1, 4), np.uint8)
    # An array of no pixels has no address.
    pixels = bgr if count else np.zeros((1, 3), np.uint8)
    assert function("rk_screen_from_bgr")(pixels.reshape(-1), count, rgba.reshape(-1)) == 0
    assert np.array_equal(rgba[:count, :3], bgr[:, ::-1])
    assert (rgba[:count, 3] == 255).all()
    assert not rgba[count].any()
    back = np.zeros((count + 1, 3), np.uint8)
    assert function("rk_screen_to_bgr")(rgba.reshape(-1), count, back.reshape(-1)) == 0
    assert np.array_equal(back[:count], bgr)
    assert not back[count].any()


@pytest.mark.parametrize("codec", ["svd-patch", "svd", "lossless", "raw"])
@pytest.mark.parametrize("shape", [(2, 2, 3), (33, 47, 3), (64, 96, 3)])
def test_a_picture_decodes_to_the_same_colours_for_a_screen(
    codec: str, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(sum(shape))
    encoder = rankcast.Encoder(codec)
    images = [rng.integers(0, 256, shape, np.uint8)]
    images.append(np.roll(images[0], 1, axis=1))
    plain, memory = CoreDecoder(), np.zeros(1 << 22, np.uint8)
    for case in cases_of(unpack(encoder.encode(image)) for image in images):
        rgba = np.zeros((*shape[:2], 4), np.uint8)
        body = np.frombuffer(case.body, np.uint8)
        decode = function("rk_packet_decode_rgba")
        out = rgba.reshape(-1)
        assert decode(case.numbers(), body, body.size, memory, memory.size, out) == 0
        assert np.array_equal(rgba[..., 2::-1], plain.decode(case))
        assert (rgba[..., 3] == 255).all()


def test_a_screen_gets_pictures_of_three_channels_and_8_bits_alone() -> None:
    (case,) = cases_of([unpack(rankcast.Encoder("raw").encode(np.zeros((4, 4), np.uint8)))])
    out, memory = np.zeros(64, np.uint8), np.zeros(64, np.uint8)
    body = np.frombuffer(case.body, np.uint8)
    decode = function("rk_packet_decode_rgba")
    assert decode(case.numbers(), body, body.size, memory, memory.size, out) == -1


def test_memory_of_another_size_is_refused_before_anything_is_read() -> None:
    (case,) = cases_of([unpack(rankcast.Encoder("svd-patch").encode(scene(0)))])
    numbers, memory = case.numbers(), np.zeros(64, np.uint8)
    pixels = np.zeros(int(np.prod(case.header.shape or ())), np.uint8)
    body = np.frombuffer(case.body, np.uint8)
    decode = function("rk_packet_decode")
    assert decode(numbers, body, body.size, memory, memory.size, pixels) == -2
    assert not memory.any()


def run_program(*command: str | Path) -> list[str]:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return program_lines(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="links ELF programs")
def test_a_program_in_c_gives_the_pixels_of_python(cases_file: Path, tmp_path: Path) -> None:
    program = build_here(tmp_path, [PACKETS])[PACKETS]
    assert differences(every_stream(), run_program(program, cases_file)) == {}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@own_compiler
@pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is missing: apt-get install qemu-user")
def test_aarch64_gives_the_pixels_of_python(cases_file: Path, tmp_path: Path) -> None:
    program = build_static(tmp_path, "aarch64-linux-musl", [PACKETS])[PACKETS]
    assert differences(every_stream(), run_program(str(QEMU), program, cases_file)) == {}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@own_compiler
@pytest.mark.skipif(WINE is None, reason="wine is missing: apt-get install wine64")
def test_windows_gives_the_pixels_of_python(cases_file: Path, tmp_path: Path) -> None:
    program = build_static(tmp_path, "x86_64-windows-gnu", [PACKETS])[PACKETS]
    assert differences(every_stream(), run_program(str(WINE), program, cases_file)) == {}


def test_the_module_is_small_and_imports_nothing(wasm: Path) -> None:
    data = wasm.read_bytes()
    assert len(data) <= MOST_WASM_BYTES
    sections, at = [], 8
    while at < len(data):
        sections.append(data[at])
        size = shift = 0
        while True:
            at += 1
            size |= (data[at] & 0x7F) << shift
            shift += 7
            if data[at] < 0x80:
                break
        at += 1 + size
    import_section = 2
    assert import_section not in sections
    for name in (
        b"rk_packet_decode",
        b"rk_packet_decode_rgba",
        b"rk_packet_memory_bytes",
        b"rk_screen_to_bgr",
        b"memory",
        b"__heap_base",
    ):
        assert name in data


@pytest.mark.skipif(NODE is None, reason="Node.js is missing: apt-get install nodejs")
def test_webassembly_gives_the_pixels_of_python(wasm: Path, cases_file: Path) -> None:
    lines = run_program(str(NODE), WASM_SOURCES / "decode_packets.js", wasm, cases_file)
    assert differences(every_stream(), lines) == {}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")
def test_a_browser_gives_the_pixels_of_python(wasm: Path, tmp_path: Path) -> None:
    streams = golden_streams()
    cases = write_cases(tmp_path / "cases", itertools.chain.from_iterable(streams.values()))
    parts = {
        "MODULE": base64.b64encode(wasm.read_bytes()).decode(),
        "CASES": base64.b64encode(cases.read_bytes()).decode(),
        "DECODER": (WASM_SOURCES / "packet_decoder.js").read_text(),
    }
    page = tmp_path / "page.html"
    page.write_text(
        re.sub("MODULE|CASES|DECODER", lambda found: parts[found[0]],
               (WASM_SOURCES / "page.html").read_text())
    )  # fmt: skip
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         "--virtual-time-budget=100000", f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    shown = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert shown is not None, done.stderr[-2000:]
    assert differences(streams, program_lines(shown[1])) == {}
