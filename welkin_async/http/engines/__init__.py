"""HTTP engines: what carries out one exchange on the wire."""
