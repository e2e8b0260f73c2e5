"""`python -m augdistill` is `augdistill`."""

from augdistill.cli import main

if __name__ == "__main__":
    main()
