"""Functions of the core are called with the arrays that the header names, and without the GIL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from rankcast.core import LEVEL, function, library
from rankcast.core.header import HEADER, read_prototypes
from rankcast.entropy import rangecoder
from rankcast.errors import RankcastError

CAPACITY = 100


def state() -> np.ndarray:
    return rangecoder.new_coder(4)


def test_a_function_writes_into_the_array_of_the_caller() -> None:
    coder = state()
    assert function("rk_range_start_encoder")(coder, CAPACITY) == 0
    assert coder[rangecoder.END] == CAPACITY


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros(20, np.int32), "an array of int32"),
        (np.zeros(40, np.int64)[::2], "with strides (16,)"),
        (np.zeros(20, ">i8"), "an array of >i8"),
    ],
)
def test_an_array_of_another_kind_never_reaches_the_core(wrong: np.ndarray, said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        function("rk_range_start_encoder")(wrong, CAPACITY)


def test_an_array_that_must_not_be_written_is_refused_as_an_output() -> None:
    coder = state()
    coder.flags.writeable = False
    with pytest.raises(TypeError, match="want writeable contiguous int64"):
        function("rk_range_start_encoder")(coder, CAPACITY)


def test_an_input_may_be_read_only_and_empty() -> None:
    data = np.zeros(0, np.uint8)
    data.flags.writeable = False
    assert function("rk_range_start_decoder")(state(), data, 0, 0) == 0


def test_a_processor_that_is_too_old_is_named_and_not_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Old:
        @staticmethod
        def rk_level() -> int:
            return 1

    monkeypatch.setattr(library, "_library", Old())
    with pytest.raises(RankcastError, match=r"lacks SSE4.2 .* needs x86-64-v2"):
        library._choose_level()


def test_a_call_with_too_few_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="rk_range_start_encoder takes 2 arguments, got 1"):
        function("rk_range_start_encoder")(state())


def test_every_function_of_the_header_is_in_the_library() -> None:
    for name in read_prototypes(HEADER.read_text(encoding="utf-8")):
        if name != "rk_level":
            assert callable(function(name))


def test_other_threads_run_during_a_call() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2448, 1)).astype(np.uint8)
    height, width, channels = noise.shape
    memory = np.zeros(function("rk_lossless_encoder_bytes")(width, channels) // 8 + 1, np.int64)
    data = np.zeros(5 * noise.size + 4096, np.uint8)
    encode = function("rk_lossless_encode_u8")
    ended, ticks = threading.Event(), 0

    def count() -> None:
        nonlocal ticks
        while not ended.wait(0.001):
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    try:
        # A call of some 300 ms, in which a thread that waits for the GIL never gets it.
        before = ticks
        assert encode(noise, height, width, channels, 0, 0, memory, data, data.size) > 0
        counted = ticks - before
    finally:
        ended.set()
        counter.join()
    assert counted >= 10


def level_of(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from rankcast.core import LEVEL; print(LEVEL)"],
        capture_output=True, text=True, env={**os.environ, **env}, check=False,
    )  # fmt: skip


def test_the_level_follows_the_processor_and_can_be_lowered() -> None:
    assert LEVEL in (2, 3)
    assert level_of(RANKCAST_LEVEL="2").stdout.strip() == "2"


def test_a_level_that_does_not_exist_is_one_clear_line() -> None:
    result = level_of(RANKCAST_LEVEL="fast")
    assert result.returncode == 1
    assert "RANKCAST_LEVEL is 'fast', want 2 or 3" in result.stderr
