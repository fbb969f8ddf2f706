"""Tests of the parts that bulk imports are made of: ranges, journal, schema, echo, latency."""
