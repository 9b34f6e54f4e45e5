"""Show the frames of a sender: python examples/subscribe_and_show.py [ADDRESS].

Frames arrive as numpy arrays; older ones are skipped if the window is slower than the camera.
"""

import sys

import cv2

from rankcast_receiver import Subscriber

address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555"

with Subscriber(address) as subscriber:
    for frame in subscriber:
        picture = frame.pixels.copy()  # received pixels are read-only
        label = f"{frame.camera} {frame.sequence} {frame.meta}"
        cv2.putText(picture, label, (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255))
        cv2.imshow("Rankcast", picture)
        if cv2.waitKey(1) == ord("q"):
            break
    balance = subscriber.balance()
    print(f"{balance.passed} frames, lost {dict(balance.lost)}")
