"""Idempotency keys: how a row gets its key, and how a record is found by it."""
