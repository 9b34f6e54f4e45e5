"""Attacks on the ZMTP layer of running processes: `make fuzz-zmtp`."""
