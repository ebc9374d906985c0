"""`python -m cityeye`: the command line."""

import sys

from cityeye.cli import main

if __name__ == "__main__":
    sys.exit(main())
