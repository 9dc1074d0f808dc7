"""`python -m arabic_r1_jax VERB` is `arabic-r1 VERB`."""

import sys

from arabic_r1_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
