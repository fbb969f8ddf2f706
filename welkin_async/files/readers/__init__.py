"""File readers: rows of CSV, NDJSON, JSON, Parquet and Excel files."""
