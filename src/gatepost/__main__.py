"""`python -m gatepost` is the same as the `gatepost` command."""

from gatepost.cli.main import main

if __name__ == "__main__":
    main()
