"""Access tokens: the cache, its refreshes, and where tokens are stored."""
