"""The offline commands and the demo, loaded through their entry points."""
