"""Exports: records into NDJSON and Parquet files."""
