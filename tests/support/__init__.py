"""What tests and benchmarks share: real processes, fakes, faults, conformance functions."""
