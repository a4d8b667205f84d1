"""The child process of `benchmarks.run`: the daily job for so many days of the source in the environment."""

import sys

from benchmarks.run import measure

measure(int(sys.argv[1]))
