"""CSV: the reader, the check of quoting before anything is sent, and recovery after a quoting fault."""
