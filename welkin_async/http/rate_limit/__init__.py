"""Rate control: how fast and how many at once."""
