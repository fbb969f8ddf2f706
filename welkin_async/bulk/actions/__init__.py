"""Bulk actions: what is sent for one row, and how its answer is judged."""
