"""File runs: one file taken to the bulk engine and its outcomes back."""
