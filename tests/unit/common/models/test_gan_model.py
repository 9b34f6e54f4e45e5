"""Model files of codec `gan`: missing, hostile, and the same pixels everywhere."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

import rankcast
from rankcast.codec.gan.symbols import coder_from, decode_code
from rankcast.errors import PayloadError, SettingsError, UnknownModelError
from rankcast.frame import Pixels
from rankcast.images import read_image
from rankcast.models import read_model, write_model
from rankcast.models.gan import model as learned_model
from rankcast.models.gan.architecture import BLOCK
from rankcast.models.gan.model import GanModel, load_model
from rankcast.models.gan.pictures import EXPOSURE_BYTES, pixels_of, unpack_exposure
from rankcast.runtime import REFUSED_PACKET, Ledger
from rankcast.wire import Packet, pack, unpack
from rankcast_receiver.stream import CameraStream
from support.gan_camera import HEIGHT, WIDTH, clip, coded, two_cameras
from support.received import received

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "gan"


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_cameras(tmp_path_factory.mktemp("models"))


def forget_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has opened no model yet."""
    monkeypatch.setattr(learned_model, "loaded_model", lambda _: None)
    monkeypatch.setattr("rankcast.models.model_folder.known_file", lambda _: None)


def test_a_receiver_without_the_model_says_which_it_needs(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet = coded(camera)
    model_id = load_model(camera).model_id.hex()
    forget_models(monkeypatch)
    for decoder, said in [
        (rankcast.Decoder(), "no folder of models is set"),
        (rankcast.Decoder(models=tmp_path), str(tmp_path)),
    ]:
        with pytest.raises(UnknownModelError, match=f"needs model {model_id}.*{said}"):
            decoder.decode(packet)
    (tmp_path / "renamed.rkm").write_bytes(camera.read_bytes())
    found = rankcast.Decoder(models=tmp_path)
    assert found.decode(packet).shape == (HEIGHT, WIDTH, 3)


def test_a_truncated_model_is_told_of_and_not_read_again_with_every_packet(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet, whole = coded(camera), camera.read_bytes()
    forget_models(monkeypatch)
    file = tmp_path / "camera.rkm"
    file.write_bytes(whole[:-1000])
    read: list[Path] = []
    real = learned_model.load_model
    monkeypatch.setattr(
        learned_model, "load_model", lambda path: (read.append(path), real(path))[1]
    )
    decoder = rankcast.Decoder(models=tmp_path)
    for _ in range(5):
        with pytest.raises(UnknownModelError, match=r"needs model .*camera\.rkm: truncated"):
            decoder.decode(packet)
    assert len(read) == 1
    # Beside it, and by name after it: the whole one counts.
    (tmp_path / "d.rkm").write_bytes(whole)
    monkeypatch.setattr("rankcast.codec.gan.halves.RETRY_S", 0.0)
    monkeypatch.setattr("rankcast.models.model_folder.RESCAN_S", 0.0)
    assert decoder.decode(packet).shape == (HEIGHT, WIDTH, 3)


def test_a_copy_with_a_flipped_byte_does_not_hide_the_good_one(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet, whole = coded(camera), camera.read_bytes()
    forget_models(monkeypatch)
    (tmp_path / "a.rkm").write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    decoder = rankcast.Decoder(models=tmp_path)
    with pytest.raises(UnknownModelError, match=r"needs model .*a\.rkm: damaged"):
        decoder.decode(packet)
    (tmp_path / "b.rkm").write_bytes(whole)
    assert rankcast.Decoder(models=tmp_path).decode(packet).shape == (HEIGHT, WIDTH, 3)


def test_a_stream_without_its_model_is_counted_and_told_of_once_a_second(
    camera: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = rankcast.Encoder("gan", model=str(camera), label="belt")
    packets = [unpack(encoder.encode(frame)) for frame in clip(8)]
    forget_models(monkeypatch)
    ledger = Ledger()
    stream = CameraStream("cam", ledger=ledger)
    for packet in packets:
        assert stream.decode([received(packet)]).frame is None
    assert ledger.balance().lost == {REFUSED_PACKET: 8}
    lines = [record.message for record in caplog.records if "needs model" in record.message]
    assert len(lines) == 1
    assert load_model(camera).model_id.hex() in lines[0]


def damaged(path: Path, folder: Path, change: Any) -> Path:
    """A model file that is whole as a file, but not what it says."""
    file = read_model(path, "gan")
    description, arrays = dict(file.head.description), dict(file.arrays)
    change(description, arrays)
    target = folder / "hostile.rkm"
    write_model(target, "gan", description, arrays)
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d, _: d.update(network=2), "got network version 2"),
        (lambda d, _: d.update(width=100_000), "width of the network is 100000"),
        (lambda d, _: d.update(width=16), "does not fit its architecture"),
        (lambda d, _: d.update(luma=65), "luma"),
        (lambda d, _: d.update(chroma=True), "chroma"),
        (lambda d, _: d.update(labels=["a", "a"]), "labels"),
        (lambda d, _: d.update(labels=["a"]), "labels"),
        (lambda d, _: d.update(labels="ab"), "labels"),
        (lambda d, _: d.update(sizes=[[0, 5], [5, 5]]), "labels"),
        (lambda d, _: d.update(sizes=[[8192, 8193]] * 2), "labels"),
        (lambda d, _: d.update(sizes=[[8192, 8192]] * 2), "more than 67108864 pixels"),
        (lambda _, a: a.pop("priors"), "priors"),
        (lambda _, a: a.update(more=a["priors"]), "more"),
        (lambda _, a: a.update(priors=a["priors"][:-1]), "priors"),
        (lambda _, a: a.update(priors=a["priors"].astype(np.int64)), "dtype int64"),
        (lambda _, a: a.update(log_steps=a["log_steps"].astype(np.float64)), "dtype float64"),
        (lambda _, a: a["log_steps"].fill(np.nan), "holds NaN or infinity"),
        (lambda _, a: a["analysis"].fill(np.inf), "holds NaN or infinity"),
    ],
)
def test_a_hostile_model_is_one_clear_error(
    camera: Path, tmp_path: Path, change: Any, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        rankcast.Encoder("gan", model=str(damaged(camera, tmp_path, change)), label="belt")
    assert "\n" not in str(caught.value)
    assert "hostile.rkm" in str(caught.value)


def test_a_model_of_extreme_weights_still_gives_pictures(camera: Path, tmp_path: Path) -> None:
    def change(_: Any, arrays: dict[str, Any]) -> None:
        for name in ("log_steps", "synthesis", "generator_out.weight"):
            arrays[name] = np.full_like(arrays[name], 60_000.0)

    path = damaged(camera, tmp_path, change)
    encoder = rankcast.Encoder("gan", model=str(path), label="belt")
    assert rankcast.Decoder().decode(encoder.encode(clip(1)[0])).shape == (HEIGHT, WIDTH, 3)


def agree(got: Pixels, want: Pixels) -> None:
    """Within the tolerance that docs/wire.md states: 1 level, all but a thousandth exactly."""
    assert got.shape == want.shape
    difference = np.abs(got.astype(int) - want)
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= 1e-3


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_pixels_agree_with_a_stored_reference(
    onednn: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another machine; without oneDNN sums are added up in another order, as by two threads."""
    import torch

    before = torch._C._get_mkldnn_enabled()
    monkeypatch.setattr(learned_model, "THREADS", threads)
    decoder = rankcast.Decoder(models=GOLDEN)
    for name in ("colour", "grey"):
        try:
            torch.backends.mkldnn.set_flags(onednn)
            pixels = decoder.decode((GOLDEN / f"{name}.rkc").read_bytes())
        finally:
            torch.backends.mkldnn.set_flags(before)
        agree(pixels, read_image(GOLDEN / f"{name}.png"))


def rebuilt_in_double(model: GanModel, packet: Packet) -> Pixels:
    """What a machine without rounding errors would show."""
    import torch

    (height, width, *rest), (label, step) = packet.header.shape, packet.header.params
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    levels = decode_code(
        coder_from(model.priors),
        packet.body[EXPOSURE_BYTES:],
        (rows, columns, model.network.architecture.channels),
        model.table,
    )
    network = copy.deepcopy(model.network).double()
    grey = rest in ([], [1])
    background = model._background((3, rows * BLOCK, columns * BLOCK), label, grey=grey).double()
    with torch.inference_mode():
        predicted = unpack_exposure(packet.body).apply(background)
        which, steps = torch.tensor([label]), torch.tensor([step], dtype=torch.float64)
        scale = network.scale(predicted, which, steps)
        code = torch.from_numpy(levels).permute(2, 0, 1)[None].double()
        planes = network.generate(code, predicted, scale, which, steps)[0].numpy()
    return pixels_of(planes, packet.header.shape)


@pytest.mark.parametrize("step", [0.25, 1.0, 4.0])
def test_rounding_errors_of_floats_stay_within_the_tolerance(camera: Path, step: float) -> None:
    packet = unpack(coded(camera, step=step))
    agree(rankcast.Decoder().decode_packet(packet), rebuilt_in_double(load_model(camera), packet))
    for name in ("colour", "grey"):
        packet = unpack((GOLDEN / f"{name}.rkc").read_bytes())
        golden = rankcast.Decoder(models=GOLDEN).decode_packet(packet)
        agree(golden, rebuilt_in_double(load_model(GOLDEN / "model.rkm"), packet))


def test_the_reference_is_read_to_the_symbol() -> None:
    """What the packet holds does not depend on floats: a clean end of its code says so."""
    for name in ("colour", "grey"):
        packet = unpack((GOLDEN / f"{name}.rkc").read_bytes())
        rankcast.Decoder(models=GOLDEN).decode_packet(packet)
        with pytest.raises(PayloadError):
            rankcast.Decoder(models=GOLDEN).decode(pack(packet.header, bytes(packet.body)[:-9]))
