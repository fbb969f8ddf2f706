"""File jobs: what is done with each row of a file."""
