"""A signal that comes while a command still loads its modules."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from rankcast.images import write_image
from support.fakes import free_address
from support.processes import rankcast, read_report

pytestmark = pytest.mark.slow

# With this set, Python says on stderr which module it has just imported.
SAY_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
# Just after the handlers are in place, amid the imports, and near their end.
MOMENTS = (" click.core", " rankcast.core.library")
SENDER_MOMENTS = (*MOMENTS, " rankcast.codec.svd_patch.encoder")
RECEIVER_MOMENTS = (*MOMENTS, " rankcast_receiver.pipeline")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number"),
    list(zip(SENDER_MOMENTS, (signal.SIGINT, signal.SIGTERM, signal.SIGINT), strict=True)),
)
def test_a_sender_ends_cleanly_with_its_report(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    report = tmp_path / "sent.json"
    with rankcast("send", "--source", "synthetic:conveyor?width=320&height=240", "--bind",
                  free_address(), "--report", str(report), **SAY_IMPORTS) as sender:  # fmt: skip
        sender.wait_line(moment)
        assert sender.stop(number) == 0
        assert not any("Traceback" in line for line in sender.lines)
    values = read_report(report)
    assert (values["grabbed"], values["published"], values["balanced"]) == (0, 0, True)


@pytest.mark.parametrize("moment", RECEIVER_MOMENTS)
def test_a_receiver_ends_cleanly_with_its_report(tmp_path: Path, moment: str) -> None:
    report = tmp_path / "received.json"
    with rankcast("receive", "--connect", free_address(), "--report", str(report),
                  **SAY_IMPORTS) as receiver:  # fmt: skip
        receiver.wait_line(moment)
        assert receiver.stop(signal.SIGTERM) == 0
        assert not any("Traceback" in line for line in receiver.lines)
    values = read_report(report)
    assert (values["delivered"], values["published"], values["balanced"]) == (0, None, True)


@pytest.mark.parametrize("moment", [" click.core", " rankcast.path_parameter"])
def test_a_demo_ends_cleanly(tmp_path: Path, moment: str) -> None:
    with rankcast("demo", "--out", str(tmp_path / "out"), **SAY_IMPORTS) as demo:
        demo.wait_line(moment)
        assert demo.stop(signal.SIGINT) == 0
        assert not any("Traceback" in line for line in demo.lines)


@pytest.mark.slow
def test_an_interrupted_import_of_another_command_is_one_line(tmp_path: Path) -> None:
    # A picture that takes longer than a signal on a busy machine. The bound of streaming commands
    # is not theirs: a decomposition that has begun is not broken off.
    picture = tmp_path / "picture.png"
    write_image(picture, np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8))
    with rankcast("compare", str(picture), "--no-pictures", **SAY_IMPORTS) as compare:
        compare.wait_line(" click.core")
        compare.process.send_signal(signal.SIGINT)
        assert compare.process.wait(50) == 1
        compare.wait_line("rankcast: interrupted")
        said = [line for line in compare.lines if not line.startswith("import time:")]
    assert said[-1] == "rankcast: interrupted"
    assert not any("Traceback" in line for line in said)
