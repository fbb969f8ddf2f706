"""Integrations: this package on other systems and with other libraries, each an extra, imported by whoever uses it."""
