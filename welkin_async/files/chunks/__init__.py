"""Chunks of a file: references to its rows, for workers that read them themselves."""
