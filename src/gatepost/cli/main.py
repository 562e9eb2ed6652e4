"""The `gatepost` command."""


def main() -> None:
    """Parse the command line and run one command."""
    raise SystemExit(2)
