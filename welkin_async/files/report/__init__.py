"""Reports of a file run: counts, request metrics, time series, summary and page."""
