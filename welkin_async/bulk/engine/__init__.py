"""The bulk engine: workers, outcomes, progress and the circuit breaker."""
