"""The sender: grab, encode and publish the frames of cameras.

with rankcast_sender.Publisher("tcp://127.0.0.1:5555", name="cam") as publisher:
    publisher.send(pixels, meta={"serial": "A17"})
"""

# Defined here: `python -m` would import `typing` from the current folder at this point.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from rankcast_sender.publisher import Publisher

__all__ = ["Publisher"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the class on first use, as `rankcast` does with its classes."""
        if name != "Publisher":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from rankcast_sender.publisher import Publisher

        return Publisher
