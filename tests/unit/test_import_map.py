"""Each entry of a Postfix access map is told: what it means here, or why it is not taken."""

import json
import tomllib

import pytest

from gatepost.access.files import Wanted
from gatepost.cli.main import main
from gatepost.imports.lists import content_of


@pytest.fixture
def take(tmp_path, capsys):
    """Imports a map; exit status, what was told, and the configuration then."""
    config = tmp_path / "etc" / "gatepost.toml"

    def run(file, *more, before=None):
        config.parent.mkdir(exist_ok=True)
        if before is not None:
            config.write_text(before)
        with pytest.raises(SystemExit) as ended:
            main(["import", "postfix-map", str(file), "--config", str(config), *more])
        out, errors = capsys.readouterr()
        text = config.read_text() if config.exists() else ""
        return ended.value.code or 0, out + errors, tomllib.loads(text)

    run.config = config
    run.folder = tmp_path
    return run


def given(take, name, text):
    file = take.folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("name", "option", "meaning"),
    [
        ("helo_access", "helo_access", "excused from HELO rules"),
        ("rbl_override", "rbl_override", "excused from block lists"),
        ("client_override", "client_override", "excused from block lists and reverse name rules"),
        ("client_checks", "client_access", "let in"),
        ("sender_access", "sender_access", "let in"),
        ("recipient_access.txt", "recipient_access", "let in"),
    ],
)
def test_the_name_tells_what_it_is_about(take, name, option, meaning):
    file = given(take, name, "a.example OK\n")
    status, said, config = take(f"hash:{file}", "--json")

    told = json.loads(said)
    assert (0, option) == (status, told["as"])
    assert [(1, meaning)] == [(line["number"], line["says"]) for line in told["taken"]]
    assert {"access": {option: [f"hash:{file}"]}} == config


def test_a_name_that_does_not_tell_needs_as(take):
    file = given(take, "exceptions", "a.example OK\n")

    status, said, config = take(file)
    assert (2, {}) == (status, config)
    assert "--as" in said
    status, said, config = take(file, "--as", "rbl_override")
    assert (0, {"access": {"rbl_override": [str(file)]}}) == (status, config)


def test_what_cannot_be_honoured_is_told_by_line_and_the_rest_is_taken_from_a_copy(take):
    file = given(
        take, "client_access", "a.example OK\nb.example\n  DISCARD gone\n# note\nc.example REJECT no\nd\n"
    )
    status, said, config = take(f"hash:{file}", "--json")

    told = json.loads(said)
    copy = take.config.parent / f"imported_{str(file).strip('/').replace('/', '_')}"
    assert 0 == status
    assert [1, 5] == [line["number"] for line in told["taken"]]
    assert [2, 6] == [line["number"] for line in told["not_taken"]]
    assert {"access": {"client_access": [str(copy)]}} == config
    assert "a.example OK\nb.example DUNNO\n# note\nc.example REJECT no\nd\n" == copy.read_text()


def test_nothing_taken_is_status_1_and_changes_nothing(take):
    file = given(take, "helo_access", "a.example\n")
    status, said, config = take(file)

    assert (1, {}) == (status, config)
    assert f"{file}:1" in said


def test_again_changes_nothing_and_another_spelling_is_the_same(take):
    file = given(take, "helo_access", "a.example OK\n")
    take(f"hash:{file}")
    text = take.config.read_text()

    for name in (f"hash:{file}", str(file), f"proxy:hash:{file}", f"lmdb:{file}"):
        status, said, _ = take(name)
        assert (0, text) == (status, take.config.read_text())
        assert "followed already" in said
    assert ["gatepost.toml"] == [path.name for path in take.config.parent.iterdir()]


def test_a_dry_run_changes_nothing(take):
    file = given(take, "helo_access", "a.example OK\nb HOLD\n")
    status, said, _ = take(file, "--dry-run", before="# mine\n")

    assert (0, "# mine\n") == (status, take.config.read_text())
    assert ["gatepost.toml"] == [path.name for path in take.config.parent.iterdir()]
    assert "Nothing was changed." in said


def test_a_database_without_its_text_says_how_to_get_it_back(take):
    given(take, "helo_access.db", "")
    status, said, _ = take(f"hash:{take.folder}/helo_access")

    assert 2 == status
    assert f"postmap -s hash:{take.folder}/helo_access" in said


@pytest.mark.parametrize("name", ["ldap:/etc/postfix/helo.cf", "/nowhere/helo_access", "mysql:helo"])
def test_what_is_no_such_file_is_told(take, name):
    status, said, config = take(name)

    assert (2, {}) == (status, config)
    assert "Traceback" not in said


def test_a_comment_of_the_configuration_stays_and_the_old_one_is_kept(take):
    file = given(take, "helo_access", "a.example OK\n")
    before = '# mine\n[access]  # here\nhelo_access = [\n  "/dev/null", # none\n]\n'
    status, _, config = take(file, before=before)

    assert (0, [str(file), "/dev/null"]) == (status, config["access"]["helo_access"])
    for part in ("# mine", "[access]  # here", "# none"):
        assert part in take.config.read_text()
    (kept,) = [path for path in take.config.parent.iterdir() if path != take.config]
    assert before == kept.read_text()


def test_a_block_of_patterns_is_not_torn_apart():
    wanted = Wanted("/f", "pcre", "client", "all")
    content = content_of(wanted, b"if /x(?=y)/\n/a/ OK\nendif\n/b/ OK\n")

    assert (None, False, 0) == (content.copy, content.whole, content.taken)


def test_a_pattern_that_would_have_matched_first_is_not_left_out():
    wanted = Wanted("/f", "pcre", "client", "all")
    content = content_of(wanted, b"/x(?=y)/ REJECT\n/x/ OK\n")

    assert (None, 0) == (content.copy, content.taken)


def test_a_result_that_is_not_possible_ends_the_search_in_the_copy():
    wanted = Wanted("/f", "regexp", "client", "all")
    content = content_of(wanted, b"!/a b/i HOLD\n/x/ OK\n")

    assert b"!/a b/i DUNNO\n/x/ OK\n" == content.copy
