"""The client station: subscribe, decode, display or save.

with rankcast_receiver.Subscriber("tcp://127.0.0.1:5555") as subscriber:
    for frame in subscriber:
        print(frame.sequence, frame.pixels.shape)
"""

from rankcast_receiver.subscriber import Subscriber

__all__ = ["Subscriber"]
