"""The sections of the API, as the sandbox answers them."""
