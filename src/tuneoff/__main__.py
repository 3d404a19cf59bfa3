"""`python -m tuneoff`: the command line, where the `tuneoff` script is not on the path."""

from tuneoff.cli import main

if __name__ == "__main__":
    main()
