"""Write the reference of codec gan to tests/golden/gan: a small model, two packets, their pixels.

    python scripts/gan_golden.py

Run it only for a new version of the network, because tests compare all machines with these files.
"""

from __future__ import annotations

from pathlib import Path

import rankcast
from rankcast.images import write_image
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.training import Training
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "gan"
STEPS = 150


def main() -> None:
    """Train on the synthetic conveyor and encode two of its frames."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = ConveyorSource("conveyor", ConveyorOptions(width=64, height=48, fps=20.0))
    frames = []
    for frame in source:
        frames.append(frame.pixels)
        if len(frames) == 60:
            break
    source.close()
    training = Training([Footage("conveyor", frames[:50])], width=8)
    training.run(5.0, stopped=lambda: training.step >= STEPS)
    path = FOLDER / "model.rkm"
    training.model().save(path, training.about())
    for name, pixels in (("colour", frames[55]), ("grey", frames[57][:, :, 1])):
        packet = rankcast.Encoder("gan", model=str(path), step=0.5).encode(pixels)
        (FOLDER / f"{name}.rkc").write_bytes(packet)
        write_image(FOLDER / f"{name}.png", rankcast.Decoder().decode(packet))


if __name__ == "__main__":
    main()
