"""A FastAPI service on welkin_async, as an example: see docs/service.md."""
