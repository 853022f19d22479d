"""`python -m leukolens`, the same as the command."""

from leukolens.cli.main import main

main()
