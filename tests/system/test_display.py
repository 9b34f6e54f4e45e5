"""The real window on a real X server: keys are pressed, and its pixels are looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.images import read_image, read_text
from rankcast.net import Role
from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.processes import Rankcast, rankcast, read_report
from support.xscreen import HEIGHT, WIDTH, XScreen, amber, x_screen

SOURCE = "synthetic:conveyor?width=480&height=270"
JPEG = ("--codec", "jpeg", "--fps", "10")
NAMES = ("left", "right", "tail")
CELL_WIDTH, CELL_HEIGHT = 480, 270
"""Three pictures of this size make a window of two columns and two rows."""


@contextmanager
def three_cameras(screen: XScreen, folder: Path) -> Iterator[tuple[list[Rankcast], Rankcast]]:
    """Stream three cameras to a window."""
    addresses = [free_address() for _ in NAMES]
    with ExitStack() as stack:
        senders = [
            stack.enter_context(
                rankcast("send", "--source", f"{SOURCE}&seed={number}", "--bind", address,
                         "--name", name, *JPEG)
            )
            for number, (name, address) in enumerate(zip(NAMES, addresses, strict=True))
        ]  # fmt: skip
        connect = [word for address in addresses for word in ("--connect", address)]
        receiver = stack.enter_context(
            rankcast("receive", *connect, "--display", "--report", str(folder / "r.json"),
                     "--set", f"display.snapshots={folder / 'shots'}", DISPLAY=screen.name)
        )  # fmt: skip
        try:
            screen.wait_window()
            yield senders, receiver
        except BaseException as exc:
            for process in (receiver, *senders):
                exc.add_note(f"{process.process.poll()}: {process.lines}")
            raise
        if receiver.process.poll() is None:
            screen.press("q")
        assert receiver.wait() == 0, receiver.lines


def cells(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the three cells and the empty one of a window at the corner of the screen."""
    return [
        picture[top : top + CELL_HEIGHT, left : left + CELL_WIDTH]
        for top in (0, CELL_HEIGHT)
        for left in (0, CELL_WIDTH)
    ]


def scene(cell: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a cell without its text and border."""
    return cell[CELL_HEIGHT // 2 : -40, 8:-8]


def is_grid(picture: NDArray[np.uint8]) -> bool:
    return [scene(cell).std() > 10 for cell in cells(picture)] == [True, True, True, False]


def is_paused(picture: NDArray[np.uint8]) -> bool:
    """Return True if each picture has large letters and a border, and the empty cell none."""
    letters = [int(amber(cell[4 : CELL_HEIGHT // 2]).sum()) for cell in cells(picture)]
    borders = [amber(cell)[1, 40:-40].all() for cell in cells(picture)[:3]]
    return all(borders) and min(letters[:3]) > 1000 and not letters[3]


def is_selected(picture: NDArray[np.uint8]) -> bool:
    """Return True if the second cell has the border of a selected camera."""
    return tuple(picture[100, CELL_WIDTH + 1]) == (255, 208, 64)


def is_full_grid(picture: NDArray[np.uint8]) -> bool:
    """Return True if the second of four cells of the screen has a picture and the fourth none."""
    right = picture[:, WIDTH // 2 + 8 :]
    return bool(right[100 : HEIGHT // 2 - 50].std() > 10 and not right[HEIGHT // 2 + 20 :].any())


def has_notice(picture: NDArray[np.uint8]) -> bool:
    """Return True if there is text in a dark band at the bottom of one camera's window."""
    band = picture[CELL_HEIGHT - 24 : CELL_HEIGHT, :CELL_WIDTH]
    return bool(np.median(band) < 64 and 100 < amber(band).sum() < band.size / 6)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_three_cameras_pause_go_on_and_are_saved(tmp_path: Path) -> None:
    with (
        x_screen(tmp_path) as screen,
        three_cameras(screen, tmp_path) as (senders, receiver),
    ):
        screen.wait("grid", is_grid)
        assert screen.size() == (2 * CELL_WIDTH, 2 * CELL_HEIGHT)
        screen.press("space")
        paused = screen.wait("paused", is_paused)

        def older(picture: NDArray[np.uint8]) -> bool:
            return is_paused(picture) and bool((picture != paused).any())

        later = screen.wait("paused later", older)
        for before, after in zip(cells(paused)[:3], cells(later)[:3], strict=True):
            assert np.array_equal(scene(before), scene(after)), "a paused picture stands still"
        screen.press("s")
        for _ in NAMES:
            receiver.wait_line("snapshot: saved")
        receiver.wait_match("(?s)snapshot: saved .*tail-3-")
        screen.press("space")
        screen.wait("goes on", lambda picture: is_grid(picture) and not is_paused(picture))
        screen.press("2", "plus")
        senders[1].wait_line("set quality = ")
        screen.wait("selected", is_selected)
        screen.press("h")
        screen.wait("help", lambda picture: int(amber(picture).sum()) > 2000)
        assert receiver.process.poll() is None
    report = read_report(tmp_path / "r.json")
    assert report["balanced"]
    assert 0 < report["shown"] < report["delivered"], "what came during the pause was not shown"
    files = sorted((tmp_path / "shots").iterdir())
    assert [path.name.split("-2")[0] for path in files] == ["left-1", "right", "tail-3"]
    for path in files:
        tag = json.loads(read_text(path) or "")
        assert path.name.endswith(f"Z-{tag['sequence']}.png")
        assert (tag["codec"], tag["fidelity"]) == ("jpeg", "lossy")
        assert read_image(path).shape == (270, 480, 3)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_one_camera_fills_the_screen_and_esc_goes_back_to_all(tmp_path: Path) -> None:
    with (
        x_screen(tmp_path, window_manager=True) as screen,
        three_cameras(screen, tmp_path) as (_, receiver),
    ):
        screen.wait("three", lambda _: screen.size() == (2 * CELL_WIDTH, 2 * CELL_HEIGHT))
        screen.press("1", "Return", "f")

        def fills(picture: NDArray[np.uint8]) -> bool:
            # 480 x 270 on 1280 x 800: 40 black rows above and below, where no text is.
            middle = picture[200:700]
            return (
                screen.size() == (WIDTH, HEIGHT)
                and middle[:, :8].std() > 2
                and middle[:, -8:].std() > 2
                and not picture[-35:].any()
            )

        screen.wait("full screen", fills)
        screen.press("Escape")
        screen.wait("three of full screen", is_full_grid)
        screen.press("Escape", "Escape")
        screen.wait("window again", lambda _: screen.size() == (2 * CELL_WIDTH, 2 * CELL_HEIGHT))
        screen.press("Escape")
        assert receiver.process.poll() is None, "Esc does not quit"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_viewer_key_may_not_change_the_quality_and_the_window_says_so(tmp_path: Path) -> None:
    station = KeyedStation(tmp_path)
    viewer = station.make("viewer1")
    station.make("chief", Role.OPERATOR)
    with (
        x_screen(tmp_path) as screen,
        station.sending(source=SOURCE) as sender,
        rankcast("receive", "--connect", sender.address, *viewer, "--display",
                 DISPLAY=screen.name) as receiver,
    ):  # fmt: skip
        screen.wait_window()
        screen.wait("one camera", lambda picture: scene(cells(picture)[0]).std() > 10)
        screen.press("minus")
        screen.wait("refused", has_notice)
        screen.press("q")
        assert receiver.wait() == 0, receiver.lines
        assert not [line for line in sender.process.lines if "set quality" in line]


def test_a_folder_for_snapshots_that_cannot_be_made_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with rankcast("receive", "--display", "--set",
                  f"display.snapshots={tmp_path / 'file'}") as receiver:  # fmt: skip
        assert receiver.wait() == 2
    (line,) = receiver.lines
    assert f"got display.snapshots {tmp_path / 'file'}, want a folder" in line
