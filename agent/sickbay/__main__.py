"""This lets `python -m sickbay` stand for `sickbay`, where scripts are not on PATH."""

import sys

from sickbay.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
