"""The OpenAPI document of the API: made from the catalogue, the bodies that the SDK sends, and their docstrings."""
