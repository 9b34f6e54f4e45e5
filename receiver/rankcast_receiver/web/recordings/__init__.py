"""Recordings of a folder: what they hold, and playing them to pages."""
