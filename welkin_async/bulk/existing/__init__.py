"""Existing records: what the server holds before a run sends anything, and what that means for each row."""
