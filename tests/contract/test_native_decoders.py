"""The fuzz targets of the native core without a fuzzer: what encoders write, and past finds.

`make fuzz-core` mutates the same inputs under sanitizers.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from support.replaying import (
    FINDS,
    NATIVE,
    TARGETS,
    Run,
    build_here,
    build_static,
    module_of,
    replay,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links ELF programs")
QEMU = shutil.which("qemu-aarch64")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_here(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("seeds")
    module_of(NATIVE / "make_seeds.py").write_seeds(folder)
    return {target: sorted((folder / target).iterdir()) for target in TARGETS}


@pytest.mark.slow
def test_what_encoders_write_is_decoded(
    programs: dict[str, Path], seeds: dict[str, list[Path]]
) -> None:
    failed = {
        path.relative_to(path.parents[1]).as_posix(): run.result
        for target in TARGETS
        for path, run in zip(seeds[target], replay(programs[target], seeds[target]), strict=True)
        if run.result
    }
    assert failed == {}


def test_damaged_streams_end_no_program(
    programs: dict[str, Path], seeds: dict[str, list[Path]], tmp_path: Path
) -> None:
    rng = random.Random(0)
    for target in TARGETS:
        damaged = []
        for seed in seeds[target]:
            data = bytearray(seed.read_bytes())
            for _ in range(1 + len(data) // 500):
                data[rng.randrange(len(data))] = rng.randrange(256)
            damaged.append(tmp_path / f"{target}-{seed.name}")
            damaged[-1].write_bytes(data)
        assert len(replay(programs[target], damaged)) == len(damaged)


def test_past_finds_end_no_program(programs: dict[str, Path]) -> None:
    for find in sorted(FINDS.glob("*-*")):
        assert len(replay(programs[find.name.partition("-")[0]], [find])) == 1


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is missing: apt-get install qemu-user")
@pytest.mark.skipif("RANKCAST_CC" in os.environ, reason="RANKCAST_CC builds for this machine only")
def test_aarch64_decodes_the_same(
    programs: dict[str, Path], seeds: dict[str, list[Path]], tmp_path: Path
) -> None:
    there = build_static(tmp_path, "aarch64-linux-musl")
    different: dict[str, tuple[Run, Run]] = {}
    for target in TARGETS:
        here = replay(programs[target], seeds[target])
        emulated = replay(there[target], seeds[target], str(QEMU))
        for path, one, other in zip(seeds[target], here, emulated, strict=True):
            if one != other:
                different[f"{target}/{path.name}"] = (one, other)
    assert different == {}
