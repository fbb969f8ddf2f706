"""Tests of the fan-out: every row that is pulled has exactly one outcome."""
