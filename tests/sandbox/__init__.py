"""Tests of the local Welkin server, over real sockets."""
