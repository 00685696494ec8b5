"""`python -m medcl` is `medcl`."""

from medcl.cli import main

main()
