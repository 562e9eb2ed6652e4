"""A private Internet in a network namespace, to try Gatepost in."""
