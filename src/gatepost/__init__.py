"""Gatepost stops spam at the SMTP door of a Postfix server, and explains every refusal."""

__version__ = "0.1.0"
