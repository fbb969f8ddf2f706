"""Validation: rows against the formation before they are sent, records against rows after."""
