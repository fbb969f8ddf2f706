"""``python -m benchmarks.imports MODULE``: how long an import takes in a process that has imported nothing before."""

import sys
import time


def main() -> int:
    """Import the module named and print milliseconds on the wall and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    __import__(sys.argv[1])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sys.stdout.write(f'{{"wall_ms": {wall * 1e3:.3f}, "cpu_ms": {cpu * 1e3:.3f}}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
