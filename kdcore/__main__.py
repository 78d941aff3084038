"""`python -m kdcore`: the command line."""

import sys

from kdcore.cli import main

sys.exit(main())
