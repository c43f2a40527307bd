"""`python -m service` is `stagebell`."""

from service.cli import main

main()
