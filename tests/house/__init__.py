"""The shape of the package: its rooms, drawn from the import contracts, and their sizes."""
