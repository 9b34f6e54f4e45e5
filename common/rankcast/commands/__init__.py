"""The offline commands and the demo: found by entry point, imported by nothing else."""
