"""Benchmarks: the SDK beside what a person would write by hand, and beside its peers, in one run.

``python -m benchmarks [NAME ...]`` runs comparisons and prints ratios; ``python -m benchmarks.report`` turns the JSON
it leaves into ``docs/performance.md`` and its pictures.
"""
