"""Mapping: from the columns of a file to the fields and keys of a row."""
