"""A Postfix configuration as a value: read as Postfix reads it, and nothing of its files lost."""
