"""The camera station: grab, encode, publish.

with rankcast_sender.Publisher("tcp://127.0.0.1:5555", name="cam") as publisher:
    publisher.send(pixels, meta={"serial": "A17"})
"""

from rankcast_sender.publisher import Publisher

__all__ = ["Publisher"]
