"""Text from strangers as SQLite and JSON can hold it."""


def plain(text: str) -> str:
    """`text` without NUL, which would end it in SQLite, and lone surrogates, which UTF-8 cannot say."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
