"""Use an installed Rankcast as a user would: library, commands, a stream between two processes.

scripts/wheel_test.sh runs this in a folder without the sources.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

import rankcast
import rankcast_receiver
import rankcast_relay
import rankcast_sender


def main() -> int:
    """Check every kind of use; an exception or exit code 1 is a failure."""
    here = Path.cwd().resolve()
    for module in (rankcast, rankcast_sender, rankcast_receiver, rankcast_relay):
        place = Path(str(module.__file__)).resolve()
        assert "site-packages" in place.parts, f"{module.__name__} comes from {place}"
    module = Path(str(rankcast.__file__)).with_name("core") / "rankcast_core.wasm"
    assert module.read_bytes()[:4] == b"\0asm", f"{module} is no WebAssembly"
    command = Path(sys.executable).with_name("rankcast")

    image = np.add.outer(np.arange(120), np.arange(160)).astype(np.uint8)
    for encoder in (rankcast.Encoder("svd", rank=0.2), rankcast.Encoder("svd-patch", quality=75)):
        rebuilt = rankcast.Decoder().decode(encoder.encode(image))
        assert rebuilt.shape == image.shape

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    receiver = subprocess.Popen(
        [command, "receive", "--connect", address, "--save", "frames", "--timeout", "60",
         "--report", "report.json"]
    )  # fmt: skip
    sent = subprocess.run(
        [command, "send", "--source", "synthetic:conveyor?width=320&height=240", "--bind", address,
         "--codec", "svd", "--frames", "10", "--no-realtime", "--wait-viewers", "1"],
        timeout=60,
    )  # fmt: skip
    assert sent.returncode == 0, f"send ended with {sent.returncode}"
    assert receiver.wait(60) == 0, "receive failed"
    report = json.loads(Path("report.json").read_text())
    files = sorted(Path("frames").glob("*.png"))
    assert len(files) == report["saved"] == 10, report
    assert report["balanced"], report
    unit = subprocess.run(
        [command, "service", "install", "send", "--user", "--dry-run", "--", "--source",
         "synthetic:conveyor"], check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert f"ExecStart={command} send" in unit, unit
    subprocess.run([command, "compress", files[0], "one.rkc"], check=True)
    subprocess.run([command, "info", "one.rkc"], check=True)
    subprocess.run([command, "decompress", "one.rkc", "one.png"], check=True)
    sys.stdout.write(f"wheel: {len(files)} frames through two processes, in {here.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
