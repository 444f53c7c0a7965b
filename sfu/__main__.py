"""`python -m sfu`: the same as the installed command `sfu`."""

import sys

from sfu.cli import main

if __name__ == "__main__":
    sys.exit(main())
