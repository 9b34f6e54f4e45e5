"""The camera station: grab, encode, publish."""
