"""Pages without a screen: `python web_page_client.py URL PAGES SECONDS STUCK`, for web_clients.py.

Each watches the camera `cam` and acknowledges what it gets, without decoding; the first STUCK of
them read nothing. Prints one line of JSON with what each of the others got.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

from rankcast.wire import unpack


async def page(url: str, seconds: float) -> dict[str, float]:
    """Read for some seconds and return what came."""
    options = {"subprotocols": ["rankcast.1"], "max_size": None, "compression": None}
    began_s, first_ms, frames, skipped, size = time.monotonic(), 0.0, 0, 0, 0
    async with connect(url, **options) as socket:  # type: ignore[arg-type]
        await socket.send(json.dumps({"type": "watch", "cameras": {"cam": "packets"}}))
        while (left_s := began_s + seconds - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    message = await socket.recv()
            except TimeoutError:
                break
            if isinstance(message, str):
                told = json.loads(message)
                skipped += told["frames"] if told["type"] == "skipped" else 0
                continue
            first_ms = first_ms or 1e3 * (time.monotonic() - began_s)
            frames += 1
            size += len(message)
            if frames % 4 == 0:
                sequence = unpack(message.partition(b"\0")[2]).header.sequence
                await socket.send(json.dumps({"type": "ack", "cameras": {"cam": sequence}}))
    return {"frames": frames, "skipped": skipped, "bytes": size, "first_ms": first_ms}


async def stuck_page(url: str, seconds: float) -> None:
    """Watch, and read nothing."""
    options = {"subprotocols": ["rankcast.1"], "compression": None, "max_queue": 1}
    async with connect(url, ping_interval=None, **options) as socket:  # type: ignore[arg-type]
        await socket.send(json.dumps({"type": "watch", "cameras": {"cam": "packets"}}))
        pause(socket)
        await asyncio.sleep(seconds)
        socket.transport.abort()


def pause(socket: ClientConnection) -> None:
    """Leave what comes in the kernel."""
    socket.transport.pause_reading()


async def run(url: str, pages: int, seconds: float, stuck: int) -> list[dict[str, float]]:
    """Run all pages at once."""
    live = url.replace("http", "ws", 1) + "api/live"
    async with asyncio.TaskGroup() as tasks:
        for _ in range(stuck):
            tasks.create_task(stuck_page(live, seconds))
        readers = [tasks.create_task(page(live, seconds)) for _ in range(pages - stuck)]
    return [reader.result() for reader in readers]


if __name__ == "__main__":
    found = asyncio.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
    print(json.dumps(found))
