"""Models that are loaded before a stream names them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.codec.gan.preload import LOADED_AHEAD, load_ahead
from rankcast.models import write_model
from rankcast.models.gan import model as learned_model
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.training import Training
from support.gan_camera import two_cameras
from support.processes import run_script

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "gan"


def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Ids of the models that a picture went through, in their order."""
    tried: list[bytes] = []
    inner = learned_model.GanModel.try_out

    def try_out(model: learned_model.GanModel) -> None:
        inner(model)
        tried.append(model.model_id)

    monkeypatch.setattr(learned_model.GanModel, "try_out", try_out)
    return tried


@pytest.mark.slow
def test_a_picture_goes_through_every_model_whatever_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = loaded(monkeypatch)
    two_cameras(tmp_path)  # smaller than the picture
    wide = [np.full((100, 300, 3), level, np.uint8) for level in range(100, 112)]
    training = Training([Footage("wide", wide)], width=8)
    training.model().save(tmp_path / "wide.rkm", {})
    shutil.copy(GOLDEN / "model.rkm", tmp_path)  # of no size
    with caplog.at_level(logging.INFO):
        assert load_ahead(tmp_path, lambda: False)
    assert len(tried) == 3
    said = [r.getMessage() for r in caplog.records if "loading model" in r.getMessage()]
    names = ("camera.rkm", "model.rkm", "wide.rkm")
    assert sorted(said) == [f"loading model {tmp_path / name}" for name in names]
    assert all(learned_model.loaded_model(model_id) for model_id in tried)


def test_a_damaged_model_is_told_of_and_the_others_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = loaded(monkeypatch)
    whole = (GOLDEN / "model.rkm").read_bytes()
    (tmp_path / "whole.rkm").write_bytes(whole)
    write_model(tmp_path / "bad.rkm", "gan", {"network": 2}, {"priors": np.zeros(3, np.uint16)})
    assert load_ahead(tmp_path, lambda: False)
    assert len(tried) == 1
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "bad.rkm: got network version 2" in warning.getMessage()


def test_no_more_models_are_loaded_than_stay_in_memory_and_a_stop_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = loaded(monkeypatch)
    file = learned_model.load_model(GOLDEN / "model.rkm")
    for number in range(LOADED_AHEAD + 2):
        file.save(tmp_path / f"{number}.rkm", {"number": number})
    assert load_ahead(tmp_path, lambda: False)
    assert len(set(tried)) == LOADED_AHEAD
    tried.clear()
    assert not load_ahead(tmp_path, lambda: len(tried) >= 2)
    assert len(tried) == 2


def test_without_torch_a_folder_with_models_of_gan_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rankcast.codec.gan.preload.has_torch", lambda: False)
    assert load_ahead(tmp_path, lambda: False)
    assert not caplog.records
    assert load_ahead(GOLDEN, lambda: False)
    assert "model.rkm cannot be used: codec gan needs torch" in caplog.records[-1].getMessage()


def test_torch_is_loaded_for_models_of_gan_alone_and_its_compiler_never(tmp_path: Path) -> None:
    write_model(tmp_path / "p.rkm", "pca", {}, {"mean": np.zeros(3, np.float32)})
    done = run_script(
        """
import sys
from pathlib import Path
from rankcast.codec.gan.preload import load_ahead

assert load_ahead(Path(sys.argv[1]), lambda: False)
assert "torch" not in sys.modules
assert load_ahead(Path(sys.argv[2]), lambda: False)
assert "torch" in sys.modules
assert "torch._dynamo" not in sys.modules, "that takes as long as torch itself"
""",
        str(tmp_path),
        str(GOLDEN),
    )
    assert done.returncode == 0, done.stderr
