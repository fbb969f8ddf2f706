"""Batch updates: many changes of one patient in one request."""
