"""How a request is sent: settings, transport, retries, files up and down."""
