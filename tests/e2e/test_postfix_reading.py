"""Our reading of Postfix's files against postconf: the same settings, expansion and services."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.reading import instance_of, read_instance
from gatepost.postfix.conf.restrictions import KNOWN, LISTS
from gatepost.postfix.planning.plan import make_plan
from gatepost.postfix.settings import parse_parameters
from support.postfix_cases import lists_in_force, one_blank, overrides, service_names
from support.postfix_instance import LINE, SMTP
from support.postfix_texts import NAMES, main_cf, master_cf
from unit.test_postfix_expand import EXPANDED, NO_EXPRESSION, VALUES

MASTER = (
    f"{SMTP}  -o smtpd_helo_required=yes -o {{ smtpd_client_restrictions = permit_mynetworks, reject }}\n"
    "  -o smtpd_sender_restrictions=$own_list\n"
    "# -o smtpd_banner=no\n"
    "submission inet n - n - - smtpd -v -o smtpd_recipient_restrictions=\n"
)


def postconf(folder, *arguments):
    done = subprocess.run(["postconf", "-c", folder, *arguments], capture_output=True, check=False)
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def normal(values):
    return {name: " ".join(value.split()) for name, value in values.items()}


def set_by_file(folder):
    found = normal(parse_parameters(postconf(folder, "-n")[1]))
    found.pop("config_directory", None)
    return found


def write(folder, main, master=MASTER):
    for name, octets in (
        ("main.cf", main if isinstance(main, bytes) else main.encode()),
        ("master.cf", master if isinstance(master, bytes) else master.encode()),
    ):
        (folder / name).write_bytes(octets)
        settle(folder / name)


def settle(path):
    """Postfix's programs wait until a file is older than a second."""
    old = path.stat().st_mtime - 60
    os.utime(path, (old, old))


@pytest.fixture
def folder(tmp_path):
    return tmp_path


quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(octets=main_cf())
@quick
def test_settings_and_lists_are_what_postconf_says(folder, octets):
    write(folder, octets)
    instance = read_instance(str(folder))

    ours = {name: value for name, value in normal(instance.main.values).items() if name in NAMES}
    theirs = {name: value for name, value in set_by_file(folder).items() if name in NAMES}
    used = {name for name in ours if name not in ("own_list", "other_list")}
    assert {n: ours[n] for n in used} == {n: theirs[n] for n in used}

    expanded = parse_parameters(postconf(folder, "-x", *LISTS)[1])
    for parameter in LISTS:
        assert expanded[parameter].split() == instance.value(parameter).split()


@given(octets=main_cf())
@quick
def test_after_a_plan_postconf_says_what_the_plan_said_and_nothing_else(folder, octets):
    write(folder, octets)
    before = set_by_file(folder)
    instance = read_instance(str(folder))
    try:
        made = make_plan(instance, LINE)
    except ConfError:
        return
    for change in made.changes:
        Path(change.path).write_bytes(change.after)
        settle(Path(change.path))
    result = set_by_file(folder)

    changed = {name for name in before.keys() | result.keys() if before.get(name) != result.get(name)}
    # postconf says nothing of a parameter that nothing uses any more, once its name was written out
    assert changed - {"own_list", "other_list"} == {s.parameter for s in made.settings if not s.service} - {
        name for name in before if before[name] == result.get(name)
    }
    for setting in made.settings:
        if not setting.service:
            assert (
                setting.after.replace(",", " ").split() == result[setting.parameter].replace(",", " ").split()
            )


@given(octets=master_cf())
@quick
def test_services_and_what_is_in_force_there_are_what_postconf_says(folder, octets):
    write(folder, "own_list = permit_mynetworks\nother_list = reject_non_fqdn_sender\n", octets)
    instance = read_instance(str(folder))
    services = instance.master.services

    assert service_names(str(folder)) == [service.key for service in services]
    theirs = overrides(str(folder))
    ours = {
        service.key: {
            one.name: " ".join(service.override(one.name).value.split()) for one in service.overrides
        }
        for service in services
        if service.overrides
    }
    assert ours == {key: {n: " ".join(v.split()) for n, v in own.items()} for key, own in theirs.items()}
    service = services[-1]
    in_force = lists_in_force(str(folder), service.key, theirs)
    assert in_force == {name: one_blank(instance.value(name, service)) for name in LISTS}


def test_settings_of_services_are_what_postconf_says(folder):
    write(folder, "own_list = reject_non_fqdn_sender\n")
    instance = read_instance(str(folder))

    theirs = {}
    for row in postconf(folder, "-Px")[1].splitlines():
        key, _, value = row.partition(" = ")
        theirs[key.strip()] = " ".join(value.split())
    ours = {
        f"{service.key}/{override.name}": " ".join(instance.value(override.name, service).split())
        for service in instance.master.services
        for override in service.overrides
    }
    assert ours == {key.removesuffix(" ="): value for key, value in theirs.items()}


@pytest.mark.parametrize(("text", "value"), EXPANDED)
def test_expansion_is_what_postconf_says(folder, text, value):
    lines = "".join(f"{name} = {given}\n" for name, given in VALUES.items() if name != "loop")
    write(folder, f"{lines}smtpd_banner = {text}\n")

    assert value.replace("$$", "$") == postconf(folder, "-xh", "smtpd_banner")[1].rstrip("\n")


@pytest.mark.parametrize("text", NO_EXPRESSION)
def test_what_is_no_expression_to_us_is_none_to_postconf(folder, text):
    write(folder, f"loop = $loop\nsmtpd_banner = {text}\n")

    assert 0 != postconf(folder, "-xh", "smtpd_banner")[0]


def test_every_restriction_that_we_know_is_one_to_smtpd():
    daemons = subprocess.run(
        ["postconf", "-h", "daemon_directory"], capture_output=True, text=True, check=True
    )
    program = Path(daemons.stdout.strip(), "smtpd").read_bytes()

    assert [] == [name for name in sorted(KNOWN) if name.encode() + b"\0" not in program]


def test_the_configuration_directory_is_the_one_that_is_read(folder):
    write(
        folder,
        "own_list = check_client_access texthash:$config_directory/clients\nsmtpd_banner = $own_list\n",
    )

    said = postconf(folder, "-xh", "smtpd_banner")[1].strip()
    assert f"check_client_access texthash:{folder}/clients" == said
    assert said == read_instance(str(folder)).value("smtpd_banner")


def test_an_instance_without_files_is_told(tmp_path):
    with pytest.raises(ConfError, match=r"main\.cf: cannot be read: no such file"):
        read_instance(str(tmp_path))


def test_other_instances_are_found(folder):
    write(folder, "multi_instance_directories = /etc/postfix-out, /etc/postfix-in\n")

    instance = instance_of(str(folder), (folder / "main.cf").read_bytes(), MASTER.encode())
    assert ("/etc/postfix-out", "/etc/postfix-in") == instance.others
    assert any("postfix-in" in line for line in make_plan(instance, LINE).found)
