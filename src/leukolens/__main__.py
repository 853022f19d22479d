"""`python -m leukolens`, the same as the command."""

from leukolens.cli.start import main

main()
