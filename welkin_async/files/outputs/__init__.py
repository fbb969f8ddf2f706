"""Output files: rejects, reviews and results."""
