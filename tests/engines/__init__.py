"""Tests of session, transport, tokens and resources, over real sockets."""
