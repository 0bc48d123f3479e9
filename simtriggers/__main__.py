"""`python -m simtriggers`: the same as the command `simtriggers`."""

from .cli import main

if __name__ == "__main__":
    main()
