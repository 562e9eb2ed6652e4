"""Words between separators, where what stands in braces stays together (Postfix's mystrtokq()).

Pure. Raises ConfError for braces that are never closed.
"""

import msgspec

from gatepost.postfix.conf.lines import BLANKS, ConfError

LIST_SEPARATORS = "," + BLANKS


class Word(msgspec.Struct, frozen=True):
    """A word, and where it lies in the text that it was found in."""

    text: str
    start: int
    end: int


def split_words(text: str, line: int = 0, separators: str = LIST_SEPARATORS) -> list[Word]:
    """The words of `text`.

    Raises:
        ConfError: a brace is not closed; `line` is where that is told.
    """
    words = []
    start = depth = 0
    for place, char in enumerate(text):
        if depth == 0 and char in separators:
            if place > start:
                words.append(Word(text[start:place], start, place))
            start = place + 1
        elif char == "{":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
    if depth:
        raise ConfError('a "{" is never closed', line)
    if len(text) > start:
        words.append(Word(text[start:], start, len(text)))
    return words


def inner_words(text: str, line: int = 0) -> list[str]:
    """The words within the braces of `{ a, b=c }`; of a text without braces, the text itself."""
    if not text.startswith("{"):
        return [text]
    if not text.endswith("}"):
        raise ConfError(f'"{text[:60]}": text follows a "}}"', line)
    return [word.text for word in split_words(text[1:-1], line)]
