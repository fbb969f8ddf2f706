"""Reconciliation: rows whose outcome is unknown, looked up until it is known."""
