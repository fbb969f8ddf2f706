"""The resources of the API, a module for each of its sections."""
