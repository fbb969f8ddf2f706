"""``python -m welkin_async.cli``: the same as ``welkin-async``."""

import sys

from welkin_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
