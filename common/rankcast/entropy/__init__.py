"""Entropy coders: arrays of integers to bytes and back."""
