"""Stores: where the documents are kept."""
