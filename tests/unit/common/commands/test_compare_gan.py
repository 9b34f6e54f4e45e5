"""`compare --codecs` with `gan`: its label, and pictures and models that it cannot be used with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.images import write_image
from rankcast.models import read_head, write_model
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.training import Training
from support.comparing import picture, refused, table_of

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "gan"
MODEL = GOLDEN / "model.rkm"


@pytest.fixture(scope="module")
def two_cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two cameras, one of 64 x 48 and one of 40 x 30."""
    path = tmp_path_factory.mktemp("models") / "two.rkm"
    footage = []
    for name, shape in (("belt", (48, 64, 3)), ("door", (30, 40, 3))):
        wall = picture(shape) // 2
        frames = [wall + np.uint8(number % 3) for number in range(12)]
        footage.append(Footage(name, frames))
    training = Training(footage, width=8)
    training.run(5.0, stopped=lambda: training.step >= 2)
    training.model().save(path, training.about())
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    write_image(path, picture())
    return path


@pytest.mark.slow
def test_gan_is_compared_at_the_label_that_is_named(image: Path, two_cameras: Path) -> None:
    _, found = table_of(
        image, "--codecs", "gan,jpeg", "--model", two_cameras, "--label", "belt", "--target", "2"
    )
    assert [row["codec"] for row in found["results"]] == ["gan", "jpeg"]
    assert found["results"][0]["at"].startswith("step ")
    assert found["left_out"] == []


@pytest.mark.slow
def test_the_bytes_of_the_model_and_its_training_stand_beside_those_of_gan(
    image: Path, two_cameras: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    arguments = ("--codecs", "gan,jpeg", "--model", two_cameras, "--label", "belt")
    output, found = table_of(image, *arguments, "--html", page)
    size = two_cameras.stat().st_size
    words = f"gan: plus a model of {size:,} bytes at both ends; its training: device cpu, elapsed "
    for text in (output, page.read_text()):
        assert words in " ".join(text.split())
    assert (found["gan_model"]["bytes"], found["gan_model"]["id"]) == (
        size, read_head(two_cameras).model_id.hex(),
    )  # fmt: skip
    assert "frames 12, 12, held out 0, 0, steps 2" in found["gan_model"]["training"]
    output, found = table_of(image, "--codecs", "jpeg,svd")
    assert found["gan_model"] is None
    assert "a model of" not in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "label = '': want a label of the model: belt, door"),
        (("--label", "roof"), "label = 'roof': want a label of the model: belt, door"),
    ],
)
def test_a_label_that_the_model_does_not_know_ends_the_command(
    image: Path, two_cameras: Path, arguments: tuple[str, ...], words: str
) -> None:
    error = refused(image, "--codecs", "gan,jpeg", "--model", two_cameras, *arguments)
    assert isinstance(error, SettingsError)
    assert words in str(error)


@pytest.mark.slow
def test_a_camera_of_another_size_leaves_gan_out_and_the_others_be(
    image: Path, two_cameras: Path
) -> None:
    output, found = table_of(
        image, "--codecs", "gan,jpeg", "--model", two_cameras, "--label", "door"
    )
    assert [row["codec"] for row in found["results"]] == ["jpeg"]
    reason = found["left_out"][0]["reason"]
    assert "label 'door' was trained on a camera of 40 x 30" in reason
    assert "gan  left out: " in output


def test_without_torch_gan_is_left_out(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast.codec.gan.halves.has_torch", lambda: False)
    _, found = table_of(image, "--codecs", "gan,jpeg", "--model", MODEL)
    assert [row["codec"] for row in found["results"]] == ["jpeg"]
    assert "needs torch" in found["left_out"][0]["reason"]


def test_deep_and_odd_pictures_leave_gan_out_and_the_others_be(tmp_path: Path) -> None:
    for pixels, words in (
        (picture((40, 30), np.uint16), "got uint16, want 8-bit samples for codec gan"),
        (picture((40, 30, 5)), "got 5 channels, want 1 or 3 for codec gan"),
    ):
        path = tmp_path / "odd.tiff"
        write_image(path, pixels)
        _, found = table_of(path, "--codecs", "svd,gan", "--model", MODEL)
        assert [row["codec"] for row in found["results"]] == ["svd"]
        assert words in found["left_out"][0]["reason"]


def test_files_that_are_no_model_of_gan_end_the_command(image: Path, tmp_path: Path) -> None:
    other, cut, none = tmp_path / "other.rkm", tmp_path / "cut.rkm", tmp_path / "none.rkm"
    write_model(other, "pca-frames", {}, {"mean": np.zeros(3, np.float32)})
    cut.write_bytes(MODEL.read_bytes()[:5000])
    for model in (other, cut, none):
        error = refused(image, "--codecs", "jpeg,gan", "--model", model)
        assert isinstance(error, SettingsError)
        assert model.name in str(error)


def test_where_no_method_is_left_every_reason_is_given(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    write_image(path, picture((40, 30), np.uint16))
    error = refused(path, "--codecs", "gan,jpeg", "--model", MODEL)
    assert isinstance(error, UnsupportedImageError)
    assert "gan: got uint16, want 8-bit" in str(error)
    assert "jpeg: JPEG supports only 8 bits" in str(error)
