"""Durations and secrets are what people write, and never show what they hide."""

import json

import msgspec
import pytest

from gatepost.options import Duration, Secret, duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h 30m", 5400), ("2d", 172800), ("500ms", 0.5), (15, 15), ("1w", 604800)],
)
def test_durations_are_read(text, seconds):
    assert seconds == duration(text)


@pytest.mark.parametrize("text", ["", "5", "fast", "5 minutes", "-5m", -1])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration"):
        duration(text)


@pytest.mark.parametrize("text", ["90s", "5m", "2d", "1w", "0s", "500ms"])
def test_durations_print_as_they_are_written(text):
    assert text == str(duration(text))


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("abc123")

    assert "***" == f"{secret}" == str(secret)
    assert "abc123" not in repr([secret])
    assert secret.reveal() == "abc123"


@pytest.mark.parametrize(
    "show", [json.dumps, msgspec.json.encode, msgspec.to_builtins, "".join, lambda them: "key " + them[0]]
)
def test_what_makes_text_of_anything_refuses_a_secret(show):
    with pytest.raises(TypeError):
        show([Secret("abc123")])


def test_secrets_are_the_same_when_their_text_is():
    assert Secret("abc123") == Secret("abc123") != Secret("xyz")
    assert len({Secret("abc123"), Secret("abc123")}) == 1
    assert (True, False) == (bool(Secret("abc123")), bool(Secret("")))


def test_duration_is_a_number():
    assert Duration(60) + 0 == 60.0
    assert json.dumps(float(Duration(60))) == "60.0"
