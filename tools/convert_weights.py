"""Convert weights between Hugging Face and Orbax, or merge an adapter: `arabic-r1 convert` under its own name."""

import sys

from arabic_r1_jax.cli import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
