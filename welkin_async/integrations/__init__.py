"""Integrations: this package on other systems, each an extra, imported by whoever uses it."""
