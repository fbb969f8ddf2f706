"""Chunks: the unit of work of an import that many workers share, on any engine."""
