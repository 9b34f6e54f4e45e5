"""Publish numpy arrays: python examples/publish_numpy.py [ADDRESS] [FRAMES].

View them with `rankcast receive --display` or subscribe_and_show.py.
"""

import sys
import time

import numpy as np

from rankcast_sender import Publisher

address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 1000

rows, columns = np.mgrid[:480, :640]
with Publisher(address, name="waves", quality=75) as publisher:
    publisher.wait_viewers(1)  # without viewers nothing is encoded
    for number in range(frames):
        wave = 127.5 + 127.5 * np.sin((columns + 5 * number) / 40 + rows / 60)
        pixels = np.dstack([wave, wave[:, ::-1], 255 - wave]).astype(np.uint8)  # BGR
        publisher.send(pixels, meta={"number": number})
        time.sleep(1 / 30)
