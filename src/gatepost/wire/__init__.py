"""Bytes and text on one side, values on the other; no I/O, and one promised exception a module."""
