"""`python -m lczmap <verb>`."""

from lczmap.cli import main

main()
