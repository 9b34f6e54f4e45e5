"""The receiver: subscribe, decode, then display, save or count.

with rankcast_receiver.Subscriber("tcp://127.0.0.1:5555") as subscriber:
    for frame in subscriber:
        print(frame.sequence, frame.pixels.shape)
"""

# Defined here: `python -m` would import `typing` from the current folder at this point.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from rankcast_receiver.subscriber import Subscriber

__all__ = ["Subscriber"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the class on first use, as `rankcast` does with its classes."""
        if name != "Subscriber":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from rankcast_receiver.subscriber import Subscriber

        return Subscriber
