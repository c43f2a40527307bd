"""`stagebell`, also as `python -m service`."""

import gc


def start() -> None:
    """Run a command. Imports leave next to no garbage: looking for it all the while is a tenth of the time to start."""
    gc.disable()
    from service.cli import main

    main()


if __name__ == "__main__":
    start()
