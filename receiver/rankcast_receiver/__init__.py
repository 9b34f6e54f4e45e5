"""The client station: subscribe, decode, display or save."""
