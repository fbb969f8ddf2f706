"""Values and messages as they travel: JSON, dates, records, requests. No I/O."""
