"""Time from a signal to the end of a process, in random states.

    python benchmarks/stopping.py [--quick] [--output FILE.json] [--seed N]

Each of 200 trials (10 with ``--quick``, one of each state) starts a sender and a receiver, waits
for a random moment of the state and signals one of them with SIGTERM, SIGINT or SIGHUP, then the
other. States: before the first frame, streaming, a camera that cannot be opened, no viewer, a
viewer that is stopped, keys, every frame kept and saved, a source that hangs in its driver, a sink
that hangs in its library, and reports on a disk that hangs, which is a FIFO that takes no data.
Time in which a process was ready and another one had the processor is the machine's and is not
counted. A process with something that hangs must name it and end with exit code 1, and with a
report unless that is what hangs; all others must end with 0 and a report.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from command_line import finish, option_parser, say
from processes import free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.sabotage import sabotaged

LIMIT_S: Final = 3.0
CLEAN_S: Final = 2.0
"""Limit where nothing is stuck."""
WAIT_S: Final = 30.0
START_S: Final = 60.0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SOURCE: Final = "synthetic:conveyor?width=320&height=240&fps=30"
NO_CAMERA: Final = "camera:/dev/null"
TRIALS: Final = 200
STATES: Final = (
    "before the first frame", "streaming", "camera in back-off", "no viewer", "viewer stopped",
    "keys", "every frame kept and saved", "source hung", "sink hung", "disk hung",
)  # fmt: skip
HANGS: Final = "now it hangs"
_HANG: Final = f"""
calls = []
def hang(*args, **kwargs):
    import os, sys
    calls.append(1)
    if len(calls) > 5:
        print({HANGS!r}, file=sys.stderr, flush=True)
        os.read(os.pipe()[0], 1)
    return original(*args, **kwargs)
return hang
"""
"""Waits in C, and cannot be interrupted."""
_DRIVER: Final = "rankcast_sender.sources.synthetic:ConveyorSource.render"
_LIBRARY: Final = "rankcast_receiver.sinks.count:CountSink.put"


@dataclass(frozen=True, slots=True)
class End:
    """How one process ended."""

    state: str
    number: int
    """The signal."""
    seconds: float
    """From the signal to the end, less `starved_s`; `WAIT_S` if it did not end."""
    starved_s: float
    """How long its main thread was ready meanwhile and had no processor."""
    stuck: bool
    """Something in it hung."""
    right: bool
    """Exit code, report and the line about what is stuck are as they must be."""


class Station:
    """A sender or receiver, its log and its report.

    Parameters
    ----------
    command : sequence of str
    folder : Path
    name : str
    hung : str
        What hangs, as the process must name it; ``disk`` is the one of its report, empty nothing.
    sabotage : str
        Function that hangs after five calls; empty for none.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, name: str, hung: str, sabotage: str
    ) -> None:
        self._log = folder / f"{name}.log"
        self._report = folder / f"{name}.json"
        self._hung = hung
        self._reader = -1
        code = sabotaged(folder / "code", sabotage, _HANG) if sabotage else {}
        if hung == "disk":
            os.mkfifo(self._report)
            self._reader = os.open(self._report, os.O_RDWR | os.O_NONBLOCK)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, "--report", str(self._report)],
                stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **code},
                preexec_fn=_restore_signals,
            )  # fmt: skip

    def wait_for(self, *texts: str) -> None:
        """Wait until the log holds one of the texts."""
        self._wait(lambda: any(text in self._log.read_text("utf-8") for text in texts))

    def wait_handlers(self) -> None:
        """Wait until the process handles signals, a few hundredths of a second after its start."""
        bit = 1 << (signal.SIGHUP - 1)

        def handled() -> bool:
            status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
            return bool(int(caught.split()[1], 16) & bit)

        self._wait(handled)

    def _wait(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > ends or self.process.poll() is not None:
                raise RuntimeError(f"did not get ready: {self._log.read_text('utf-8')[-500:]}")
            time.sleep(0.01)  # the interval of polling

    def stop(self, state: str, number: int) -> End:
        """Signal the process and measure its end."""
        if self._hung == "disk":
            _fill(self._reader)
        began, before_s = time.monotonic(), self._starved_s()
        self.process.send_signal(number)
        code, starved_s = None, before_s
        while code is None and time.monotonic() < began + WAIT_S:
            starved_s = max(starved_s, self._starved_s())
            with suppress(subprocess.TimeoutExpired):
                code = self.process.wait(0.01)
        starved_s -= before_s
        seconds = time.monotonic() - began - starved_s
        right = self._check(code)
        if not right:
            said = self._log.read_text("utf-8")[-300:]
            say(f"{state}, {signal.Signals(number).name}: exit code {code}: {said}")
        return End(state, number, seconds, starved_s, bool(self._hung), right)

    def _starved_s(self) -> float:
        try:
            text = Path(f"/proc/{self.process.pid}/schedstat").read_text("ascii")
            return int(text.split()[1]) / 1e9
        except (OSError, IndexError):  # it has ended
            return 0.0

    def _check(self, code: int | None) -> bool:
        said = self._log.read_text("utf-8")
        if self._hung == "disk":
            return code == 1 and "stuck after" in said and str(self._report) in said
        with suppress(OSError, ValueError):
            values = json.loads(self._report.read_text("utf-8"))
            if self._hung:
                named = any(self._hung in name for name in values["stuck"])
                return code == 1 and named and self._hung in said.splitlines()[-1]
            return code == 0 and values["balanced"] is not False and values["stuck"] == []
        return False

    def close(self) -> None:
        """End the process, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._reader >= 0:
            os.close(self._reader)


def _restore_signals() -> None:
    """Undo what nohup or a shell has ignored for this benchmark: its processes are signalled."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _fill(pipe: int) -> None:
    for piece in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, bytes(piece))


@contextmanager
def station(
    command: Sequence[str], folder: Path, name: str, hung: str = "", sabotage: str = ""
) -> Iterator[Station]:
    """Start a station; end it with the block."""
    started = Station(command, folder, name, hung, sabotage)
    try:
        yield started
    finally:
        started.close()


def _key_options(folder: Path) -> tuple[list[str], list[str]]:
    """Make keys; return the options of the sender and of the receiver."""
    run = [sys.executable, "-m", "rankcast", "keys"]
    for command in (
        [*run, "new", "cam", "--dir", str(folder)],
        [*run, "new", "viewer", "--dir", str(folder)],
        [*run, "authorize", str(folder / "viewer.pub"), "--dir", str(folder / "authorized")],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (
        ["--key", str(folder / "cam.key"), "--authorized", str(folder / "authorized")],
        ["--key", str(folder / "viewer.key"), "--server-key", str(folder / "cam.pub")],
    )


def one_trial(state: str, numbers: Sequence[int], draw: random.Random, folder: Path) -> list[End]:
    """Bring a sender and a receiver into a state, and stop both."""
    address = free_address()
    codec = draw.choice(("raw", "jpeg", "svd-patch"))
    send = [*sender(address, SOURCE, "--codec", codec, "--verbose")]
    receive = [*receiver(address, "--stay", "--verbose")]
    if state == "camera in back-off":
        send[send.index(SOURCE)] = NO_CAMERA
    if state == "keys":
        of_sender, of_receiver = _key_options(folder)
        send, receive = send + of_sender, receive + of_receiver
    if state == "every frame kept and saved":
        send.append("--no-realtime")
        receive += ["--save", str(folder / "saved")]
    if state == "viewer stopped":
        send += ["--no-realtime"] if draw.random() < 0.5 else []
    of_send = of_receive = ("disk", "") if state == "disk hung" else ("", "")
    if state == "source hung":
        of_send = ("reading source of cam", _DRIVER)
    if state == "sink hung":
        of_receive = ("writing to sink count", _LIBRARY)
    with ExitStack() as stack:
        sending = stack.enter_context(station(send, folder, "send", *of_send))
        receiving = stack.enter_context(station(receive, folder, "receive", *of_receive))
        both = [sending, receiving]
        if state == "before the first frame":
            for process in both:
                process.wait_handlers()
        elif state == "camera in back-off":
            sending.wait_for("next try in")
            receiving.wait_for("dead")
        elif state == "no viewer":
            # Its receiver looks for a sender that is not there.
            receiving.close()
            receive[receive.index(address)] = free_address()
            receiving = stack.enter_context(station(receive, folder, "lonely"))
            both[1] = receiving
            sending.wait_for("live, 0 viewers")
            receiving.wait_for("dead")
        elif state in ("source hung", "sink hung"):
            (sending if of_send[0] else receiving).wait_for(HANGS)
            receiving.wait_handlers()
        else:
            receiving.wait_for(*(f"received {digit}" for digit in range(1, 10)))
        if state == "viewer stopped":
            receiving.process.send_signal(signal.SIGSTOP)
        time.sleep(draw.uniform(0.0, 1.5))  # a random moment of the state
        if state != "viewer stopped":
            draw.shuffle(both)
        ended = []
        for process, number in zip(both, numbers, strict=True):
            if process is receiving and state == "viewer stopped":
                receiving.process.send_signal(signal.SIGCONT)
            ended.append(process.stop(state, number))
        return ended


def rows(trials: int, ends: Sequence[End]) -> list[Row]:
    """Return the figures of all trials."""
    clean_s = [end.seconds for end in ends if not end.stuck]
    stuck_s = [end.seconds for end in ends if end.stuck]
    found = [
        Row("trials", trials),
        Row("processes that a signal ended", len(ends)),
        Row(
            f"of these not ended within {LIMIT_S:g} s",
            sum(end.seconds > LIMIT_S for end in ends),
            bar=exactly(0),
        ),
        Row(
            "with a wrong exit code, or without the report or the line that must be there",
            sum(not end.right for end in ends),
            bar=exactly(0),
        ),
    ]
    found.append(
        Row("longest wait for a processor, not counted", max(end.starved_s for end in ends), "s")
    )
    for share in (50, 90, 99):
        found.append(
            Row(f"nothing stuck, {share}th percentile", float(np.percentile(clean_s, share)), "s")
        )
    found.append(Row("nothing stuck, slowest", max(clean_s), "s", at_most(CLEAN_S)))
    if stuck_s:
        found.append(Row("source, sink or disk hung, slowest", max(stuck_s), "s", at_most(LIMIT_S)))
    for number in SIGNALS:
        times_s = [end.seconds for end in ends if end.number == number]
        if times_s:
            name = signal.Signals(number).name
            found.append(Row(f"{name}, 99th percentile", float(np.percentile(times_s, 99)), "s"))
    return found


def main() -> int:
    """Run all trials and write the record."""
    parser = option_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of states, moments and signals")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    most = len(STATES) if options.quick else TRIALS
    ends: list[End] = []
    for trial in range(most):
        # Every state equally often, at moments and with signals drawn by chance.
        state = STATES[trial % len(STATES)]
        numbers = [draw.choice(SIGNALS) for _ in range(2)]
        with tempfile.TemporaryDirectory() as folder:
            ends += one_trial(state, numbers, draw, Path(folder))
        if (trial + 1) % len(STATES) == 0:
            slowest = max(ends, key=lambda end: end.seconds)
            say(f"{trial + 1} of {most}: slowest {slowest.seconds:.2f} s ({slowest.state})")
    record = Record(
        "stopping",
        "From a signal to the end of a process",
        f"{most} trials of a sender and a receiver in random moments of {len(STATES)} states:"
        " SIGTERM, SIGINT and SIGHUP in turn by chance. Where a source, a sink or a disk hangs,"
        " exit code 1 and a line that names it are right; elsewhere 0 and a complete report.",
        rounded(rows(most, ends)),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
