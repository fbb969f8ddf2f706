"""JSON: NDJSON lines, arrays of objects, and values read strictly."""
