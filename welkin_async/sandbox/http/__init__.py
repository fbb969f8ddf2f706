"""The HTTP side of the sandbox: listener, routing, messages, tokens, throttling."""
