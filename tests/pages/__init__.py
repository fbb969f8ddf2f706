"""The documentation holds: its snippets run, its messages are the code's, and its reference has every public name."""
