"""Golden recordings: files that were written once are read, decoded and repaired for ever."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from rankcast.recordings import SegmentReader, repair_segment

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "recordings"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = spec_from_file_location("golden_recordings", GOLDEN / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_recording_says_what_it_always_said(name: str, make: ModuleType) -> None:
    path = GOLDEN / f"{name}.mcap"
    facts = json.loads((GOLDEN / f"{name}.json").read_text("ascii"))
    assert make.messages_in(path) == facts["messages"]
    assert make.pictures_in(path) == facts["pictures"]
    with SegmentReader(path) as reader:
        list(reader)
        assert (reader.complete, bool(reader.damage)) == (True, False)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_recording_of_a_killed_recorder_is_repaired(
    name: str, make: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "a.mcap"
    shutil.copy(GOLDEN / f"{name}_killed.mcap", path)
    facts = json.loads((GOLDEN / f"{name}.json").read_text("ascii"))
    for _ in range(2):
        assert make.messages_in(path) == facts["messages"][:-1]
        assert make.pictures_in(path) == facts["pictures"]
        repair_segment(path)


def test_the_recordings_of_this_version_are_there() -> None:
    assert "version_2" in NAMES
    assert {path.stem for path in GOLDEN.glob("*.mcap")} == {
        *NAMES, *(f"{name}_killed" for name in NAMES),
    }  # fmt: skip
