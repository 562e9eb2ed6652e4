"""The configuration file: typed, all errors at once, with file, line and nearest name."""
