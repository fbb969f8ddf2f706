"""The records of the API, a file for each of its sections."""
