"""`make install` leaves a running system behind, or says what is left to do; `make uninstall` undoes it.

All of it happens on a machine of our own (support.machine). Where systemd would act, a small `systemctl` in
its place writes down what it is told, and starts the real daemon.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from support.machine import ENVIRONMENT, ROOT, copy_of, listing
from support.policy_client import PolicyClient

CONFIG = "/etc/gatepost/gatepost.toml"
SCRIPTS = ("install", "bring-up", "uninstall", "python-setup", "system-setup", "demo")

SYSTEMCTL = """\
#!/bin/sh
# Stands for systemd: writes down what it is told; "running" units are files; the service is the real daemon.
cd /run/systemctl
echo "$*" >> told
stop_it() {
    [ -e pid ] || return 0
    kill "$(cat pid)"
    while kill -0 "$(cat pid)" 2>/dev/null; do sleep 0.05; done
    rm pid
}
start_it() {
    [ ! -e broken ] || exit 1
    install -d -m 750 -o gatepost -g gatepost /run/gatepost
    setpriv --reuid gatepost --regid gatepost --init-groups /usr/local/bin/gatepost run >> log 2>&1 &
    echo $! > pid
}
case $* in
"is-active --quiet gatepost.socket") [ -e socket ] ;;
"start gatepost.socket") touch socket ;;
"start gatepost.service") start_it ;;
"restart gatepost.service") stop_it; start_it ;;
"stop gatepost.service") stop_it ;;
"disable --now"*) rm -f socket; stop_it ;;
esac
"""

FIREWALL = "gatepost-firewall.service"
FIREWALL_STARTS = [
    f"{what} {FIREWALL}" for what in ("is-enabled", "enable --quiet", "reset-failed", "restart")
]
FIRST_START = [
    "daemon-reload",
    *FIREWALL_STARTS,
    "enable --quiet gatepost.socket gatepost.service",
    "reset-failed gatepost.socket gatepost.service",
    "is-active --quiet gatepost.socket",
    "stop gatepost.service",
    "start gatepost.socket",
    "start gatepost.service",
]
UPGRADE = ["daemon-reload", *FIREWALL_STARTS, *FIRST_START[5:8], "restart gatepost.service"]


@pytest.fixture
def box(installed):
    """A machine with Gatepost on it, to do anything with; systemd does not run."""
    with copy_of(installed) as copy:
        yield copy


@pytest.fixture
def systemd(box):
    """The same where systemd runs, as far as the scripts can tell; Gatepost does not run yet."""
    box.path("/run/systemd/system").mkdir(parents=True)
    box.path("/run/systemctl").mkdir()
    program = box.path("/usr/local/sbin/systemctl")
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    yield box
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(box.path("/run/systemctl/pid").read_text()), signal.SIGTERM)


def told(box):
    """What systemctl was told since the last look."""
    file = box.path("/run/systemctl/told")
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def facts(box, *paths):
    return box.run("stat", "-c", "%n %U:%G %a", *paths).splitlines()


@contextlib.contextmanager
def running_by_hand(box):
    """The daemon, started as `make install` says where systemd does not run."""
    said = box.run("scripts/bring-up")
    lines = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    box.run("sh", "-c", lines[0])
    with box.path("/var/log/gatepost-test").open("wb") as log:
        process = box.start("sh", "-c", f"exec {lines[1]}", stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        end = time.monotonic() + 20
        while "ready to answer" not in (text := box.path("/var/log/gatepost-test").read_text()):
            assert process.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        assert 0 == process.wait(15)


def ask(box):
    with box.socket() as connected:
        connected.settimeout(15)
        connected.connect(("127.0.0.1", 10023))
        return PolicyClient(connected).ask()


# --- what is installed ------------------------------------------------------------------------------------


def test_it_lies_where_it_should_and_who_may_read_it_is_right(installed):
    assert [
        "/etc/gatepost root:gatepost 750",
        f"{CONFIG} root:gatepost 640",
        "/var/lib/gatepost gatepost:gatepost 750",
        "/var/backups/gatepost root:root 700",
        "/opt/gatepost root:root 755",
        "/usr/local/lib/systemd/system/gatepost-firewall.service root:root 644",
        "/usr/local/lib/systemd/system/gatepost.service root:root 644",
        "/usr/local/lib/systemd/system/gatepost.socket root:root 644",
        "/usr/local/lib/sysusers.d/gatepost.conf root:root 644",
        "/usr/local/lib/tmpfiles.d/gatepost.conf root:root 644",
    ] == facts(
        installed,
        "/etc/gatepost",
        CONFIG,
        *("/var/lib/gatepost", "/var/backups/gatepost", "/opt/gatepost"),
        *(
            f"/usr/local/lib/systemd/system/gatepost{kind}"
            for kind in ("-firewall.service", ".service", ".socket")
        ),
        *(f"/usr/local/lib/{kind}.d/gatepost.conf" for kind in ("sysusers", "tmpfiles")),
    )
    assert "/opt/gatepost/bin/gatepost\n" == installed.run("readlink", "/usr/local/bin/gatepost")
    assert "" == installed.run("find", "/opt/gatepost", "!", "-type", "l", "-perm", "/022")


def test_only_what_the_program_needs_is_installed(installed):
    packages = installed.run("/opt/gatepost/bin/pip", "--disable-pip-version-check", "list").lower()

    assert "msgspec" in packages
    assert not re.search("pytest|hypothesis|mypy|ruff", packages)


def test_where_systemd_does_not_run_it_says_what_is_left_to_do(installed):
    assert "systemd does not run here, so this is left to do:" in installed.said
    assert "setpriv --reuid gatepost" in installed.said
    assert "gatepost postfix plan" in installed.said
    assert "Installing Gatepost and its Python packages into /opt/gatepost" in installed.said


def test_what_it_says_is_left_to_do_makes_it_answer(box):
    with running_by_hand(box):
        assert ask(box).startswith(("DUNNO", "DEFER"))
        assert "gatepost 0." in box.run("gatepost", "status")
        assert "gatepost:gatepost" in facts(box, "/var/lib/gatepost/gatepost.db")[0]


def test_without_programs_of_systemd_user_and_folders_are_made_as_well(box):
    box.run("make", "uninstall", "PURGE=1")
    box.run("env", f"PATH={path_without_systemd(box)}", "make", "install", net=False)

    assert [
        "/etc/gatepost root:gatepost 750",
        f"{CONFIG} root:gatepost 640",
        "/var/lib/gatepost gatepost:gatepost 750",
        "/var/backups/gatepost root:root 700",
    ] == facts(box, "/etc/gatepost", CONFIG, "/var/lib/gatepost", "/var/backups/gatepost")
    home = box.run("getent", "passwd", "gatepost").strip()
    assert home.endswith(":Gatepost policy service:/var/lib/gatepost:/usr/sbin/nologin")
    assert "gatepost-firewall gatepost\n" == box.run("id", "-Gn", "gatepost-firewall")


def path_without_systemd(box):
    """As in the image of a container: no systemd-sysusers, no systemd-tmpfiles, no systemctl."""
    box.path("/run/bin").mkdir()
    box.run("sh", "-c", "ln -s /usr/bin/* /usr/sbin/* /run/bin/; rm /run/bin/systemd-* /run/bin/systemctl")
    return "/run/bin"


def test_commands_of_root_before_the_first_start_are_no_hindrance(box):
    box.run("gatepost", "allow", "192.0.2.7", "--comment", "before the start")
    with running_by_hand(box):
        assert "DUNNO" == ask(box)


def test_other_people_are_told_that_the_configuration_is_closed_to_them(box):
    nobody = ("setpriv", "--reuid", "nobody", "--clear-groups", "--regid", "nogroup")
    said = box.run(*nobody, "gatepost", "ask", "--client", "192.0.2.1", check=2)

    assert f"{CONFIG}: cannot be read: Permission denied" in said


# --- again ------------------------------------------------------------------------------------------------


def test_again_it_renews_the_program_and_keeps_what_people_changed(box):
    box.path(CONFIG).write_text('mode = "observe"\n')
    (program,) = box.path("/opt/gatepost/lib").glob("python3*/site-packages/gatepost/__init__.py")
    program.write_text('__version__ = "0.0.0"\n')
    unit = box.path("/usr/local/lib/systemd/system/gatepost.service")
    unit.write_text("[Service]\nExecStart=/bin/false\n")
    with running_by_hand(box):
        said = box.run("make", "install", net=False)
        said_by_bring_up = box.run("scripts/bring-up")

    assert "is left to do" in said
    assert "stop the Gatepost that runs: it is the program from before" in said_by_bring_up
    assert (ROOT / "src/gatepost/__init__.py").read_text() == program.read_text()
    assert (ROOT / "packaging/gatepost.service").read_text() == unit.read_text()
    assert 'mode = "observe"\n' == box.path(CONFIG).read_text()
    assert [f"{CONFIG} root:gatepost 640"] == facts(box, CONFIG)


def test_a_virtual_environment_whose_python_is_gone_is_made_anew(box):
    python = box.path("/opt/gatepost/bin/python3")
    python.unlink()
    python.symlink_to("/usr/bin/python3.0")
    box.run("make", "install", net=False)

    assert "gatepost 0." in box.run("gatepost", "--version")


# --- what cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["PREFIX=/home/anna/gatepost"], "the service may not look there"),
        (["PREFIX=/tmp/gatepost"], "the service may not look there"),
        (["PREFIX=gatepost"], "give the whole path"),
        (["PREFIX=/opt/a b"], "letters, digits"),
        (["PREFIX=/usr/local"], "holds something else"),
        (["PYTHON=/bin/false"], "needs Python 3.11"),
    ],
)
def test_what_could_not_work_is_refused_before_anything_is_changed(box, words, reason):
    before = listing(box)

    assert reason in box.run("make", "install", *words, check=2)
    assert before == listing(box)


def test_a_python_in_the_home_of_root_is_refused_since_the_service_may_not_look_there(box):
    fake = box.path("/usr/local/sbin/python-at-home")
    fake.write_text(
        '#!/bin/sh\ncase $2 in *base_prefix*) echo /root/.python ;; *) exec /usr/bin/python3 "$@" ;; esac\n'
    )
    fake.chmod(0o755)

    assert "lies in /root/.python" in box.run("make", "install", "PYTHON=python-at-home", check=2)


def test_the_module_that_debian_keeps_apart_is_installed_and_that_is_said(box):
    programs = {
        "python-apart": 'case $2 in *ensurepip*) [ -e /run/venv ] ;; *) exec /usr/bin/python3 "$@" ;; esac',
        "apt-get": 'echo "$@" >> /run/apt; touch /run/venv',
    }
    for name, text in programs.items():
        box.path(f"/usr/local/sbin/{name}").write_text(f"#!/bin/sh\n{text}\n")
        box.path(f"/usr/local/sbin/{name}").chmod(0o755)
    said = box.run("make", "install", "PYTHON=python-apart", net=False)
    package = re.search("Installing Debian packages: (python3\\.[0-9]+-venv)\n", said)

    assert package, said
    assert ["update -qq", f"install -y -qq {package[1]}"] == box.path("/run/apt").read_text().splitlines()


def test_a_configuration_that_the_service_may_not_read_is_told_before_anything_is_restarted(systemd):
    systemd.run("chmod", "600", CONFIG)

    assert f"chgrp gatepost {CONFIG} && chmod 640" in systemd.run("scripts/bring-up", check=1)
    assert [] == told(systemd)


def test_a_command_of_that_name_that_is_not_ours_stays(box):
    link = box.path("/usr/local/bin/gatepost")
    link.unlink()
    link.write_text("mine")

    assert "was not made by this" in box.run("make", "install", check=2)
    box.run("make", "uninstall")
    assert "mine" == link.read_text()


@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_an_ordinary_user_is_told_to_be_root(box, target):
    nobody = ("setpriv", "--reuid", "nobody", "--clear-groups", "--regid", "nogroup")
    script = box.path("/var/lib/gatepost-scripts")
    shutil.copytree(ROOT / "scripts", script / "scripts")  # the checkout may be closed to others

    assert "Only root" in box.run(*nobody, f"/var/lib/gatepost-scripts/scripts/{target}", check=2)


# --- uninstalled ------------------------------------------------------------------------------------------


def test_uninstalled_it_leaves_what_people_made_and_says_so(box):
    said = box.run("make", "uninstall")

    assert "Kept: /etc/gatepost /var/lib/gatepost /var/backups/gatepost" in said
    left = {line.split()[0] for line in listing(box) - box.before}
    left = {path for path in left if "gatepost" in path}
    assert {"/etc/gatepost", CONFIG, "/var/lib/gatepost", "/var/backups/gatepost"} == left


def test_one_that_was_started_by_hand_is_told_and_can_still_end_well(box):
    with running_by_hand(box):
        said = box.run("make", "uninstall")

    assert "A Gatepost that was started by hand still runs. Stop it." in said


def test_purged_nothing_is_left(box):
    said = box.run("make", "uninstall", "PURGE=1")

    assert "all that it kept" in said
    assert set() == listing(box) - box.before
    assert set() == box.before - listing(box)
    assert "no such user" in box.run("id", "gatepost", check=1)


def test_twice_is_no_trouble(box):
    box.run("make", "uninstall", "PURGE=1")

    assert "is removed" in box.run("make", "uninstall")


def test_somebody_elses_folder_is_not_removed(box):
    box.path("/opt/gatepost/.gatepost").unlink()

    assert "/opt/gatepost was not made by make install, and stays" in box.run("make", "uninstall")
    assert box.path("/opt/gatepost/bin").exists()


# --- for a package ----------------------------------------------------------------------------------------


def test_for_a_package_only_files_are_made_and_they_work_where_they_will_lie(box, tmp_path):
    box.run("make", "uninstall", "PURGE=1")
    before = listing(box)
    box.run("make", "install", f"DESTDIR={tmp_path}", "LIBDIR=/usr/lib", "BINDIR=/usr/bin", net=False)

    assert before == listing(box)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert {
        "etc/gatepost/gatepost.toml",
        "usr/bin/gatepost",
        "usr/lib/systemd/system/gatepost-firewall.service",
        "usr/lib/systemd/system/gatepost.service",
        "usr/lib/systemd/system/gatepost.socket",
        "usr/lib/sysusers.d/gatepost.conf",
        "usr/lib/tmpfiles.d/gatepost.conf",
    } == {file for file in files if not file.startswith("opt/gatepost/")}
    unit = (tmp_path / "usr/lib/systemd/system/gatepost.service").read_text()
    assert "ExecStart=/usr/bin/gatepost run\n" in unit
    box.path("/opt/gatepost").mkdir()
    box.run("mount", "--bind", tmp_path / "opt/gatepost", "/opt/gatepost")
    named = ("grep", "-rlF", tmp_path, "/opt/gatepost/bin", "/opt/gatepost/pyvenv.cfg")
    assert "" == box.run(*named, check=1)
    assert "gatepost 0." in box.run("/opt/gatepost/bin/gatepost", "--version")

    box.run("make", "uninstall", f"DESTDIR={tmp_path}", "LIBDIR=/usr/lib", "BINDIR=/usr/bin", "PURGE=1")
    assert [] == [path for path in tmp_path.rglob("*") if not path.is_dir()]


# --- with systemd -----------------------------------------------------------------------------------------


def test_the_first_time_systemd_enables_and_starts_and_it_answers(systemd):
    said = systemd.run("scripts/bring-up")

    assert FIRST_START == told(systemd)
    assert "Gatepost answers on 127.0.0.1:10023" in said
    assert "gatepost postfix plan" in said
    assert ask(systemd).startswith(("DUNNO", "DEFER"))


def test_a_firewall_that_is_masked_stays_off(systemd):
    program = systemd.path("/usr/local/sbin/systemctl")
    program.write_text(
        SYSTEMCTL.replace("case $* in\n", f'case $* in\n"is-enabled {FIREWALL}") echo masked ;;\n')
    )
    said = systemd.run("scripts/bring-up")

    assert [f"is-enabled {FIREWALL}"] == [line for line in told(systemd) if FIREWALL in line]
    assert f"{FIREWALL} is masked" in said


def test_without_nft_the_firewall_waits_for_it(systemd):
    systemd.run("sh", "-c", "mkdir /run/bin; ln -s /usr/bin/* /usr/sbin/* /run/bin/; rm /run/bin/nft")
    systemd.run("sh", "-c", 'for place in /usr/sbin /sbin; do mount --bind /run/bin "$place"; done')
    said = systemd.run("scripts/bring-up")

    assert FIREWALL_STARTS[:2] == [line for line in told(systemd) if FIREWALL in line]
    assert "apt install nftables" in said


def test_an_upgrade_restarts_the_service_and_leaves_the_sockets_open(systemd):
    systemd.run("scripts/bring-up")
    told(systemd)
    before = systemd.path("/run/systemctl/pid").read_text()
    said = systemd.run("scripts/bring-up")

    assert UPGRADE == told(systemd)
    assert before != systemd.path("/run/systemctl/pid").read_text()
    assert "Gatepost answers" in said


def test_while_postgrey_holds_the_port_it_is_installed_but_not_started(systemd):
    systemd.run("install", "-d", "-o", "postgrey", "/var/lib/postgrey-test")
    postgrey = systemd.start(
        *("/usr/sbin/postgrey", "--inet=127.0.0.1:10023", "--dbdir=/var/lib/postgrey-test"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        wait_for_port(systemd)
        said = systemd.run("scripts/bring-up")
    finally:
        postgrey.terminate()
        postgrey.wait(10)

    assert FIRST_START[:9] == told(systemd)
    assert "already taken by postgrey (pid" in said
    assert "gatepost postfix plan" in said


def test_a_configuration_with_faults_keeps_what_runs_running(systemd):
    systemd.run("scripts/bring-up")
    told(systemd)
    systemd.path(CONFIG).write_text('mode = "observ"\n')
    said = systemd.run("scripts/bring-up", check=1)

    assert "it was not started" in said
    assert [] == told(systemd)
    assert ask(systemd).startswith(("DUNNO", "DEFER"))


def test_a_service_that_does_not_start_is_told(systemd):
    systemd.path("/run/systemctl/broken").touch()

    assert "journalctl -u gatepost" in systemd.run("scripts/bring-up", check=1)


def test_uninstalled_it_is_stopped_and_disabled_before_its_files_go(systemd):
    systemd.run("scripts/bring-up")
    told(systemd)
    systemd.run("make", "uninstall")

    assert [
        f"disable --now --quiet gatepost.socket gatepost.service {FIREWALL}",
        f"reset-failed gatepost.socket gatepost.service {FIREWALL}",
        "daemon-reload",
    ] == told(systemd)
    with pytest.raises(ConnectionRefusedError):
        ask(systemd)


def wait_for_port(box):
    end = time.monotonic() + 15
    while True:
        with box.socket() as probe, contextlib.suppress(ConnectionRefusedError):
            probe.connect(("127.0.0.1", 10023))
            return
        assert time.monotonic() < end
        time.sleep(0.05)


# --- while Postfix asks -----------------------------------------------------------------------------------

SAFE = "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO }"
UNSAFE = "check_policy_service inet:127.0.0.1:10023"


def ask_from_postfix(box, line):
    box.path("/etc/postfix/main.cf").write_text(
        f"compatibility_level = 3.6\nsmtpd_recipient_restrictions =\n  reject_unauth_destination,\n  {line}\n"
    )


def test_a_postfix_that_still_asks_is_told_with_the_way_back(systemd):
    systemd.run("scripts/bring-up")
    ask_from_postfix(systemd, SAFE)
    said = systemd.run("make", "uninstall")

    assert f"Postfix still asks on port 10023:\n{SAFE}\n" in said
    assert "gatepost postfix rollback" in said
    assert not systemd.path("/opt/gatepost").exists()


def test_backups_are_kept_while_postfix_still_asks(systemd):
    ask_from_postfix(systemd, SAFE)
    systemd.run("make", "uninstall", "PURGE=1")

    assert systemd.path("/var/backups/gatepost").exists()
    assert not systemd.path("/var/lib/gatepost").exists()


def test_a_postfix_that_would_put_off_all_mail_without_us_keeps_us(systemd):
    systemd.run("scripts/bring-up")
    ask_from_postfix(systemd, UNSAFE)
    refused = systemd.run("make", "uninstall", check=2)
    still = ask(systemd)
    systemd.run("make", "uninstall", "FORCE=1")

    assert "would put off all mail without it" in refused
    assert "Nothing was removed" in refused
    assert still.startswith(("DUNNO", "DEFER"))
    assert not systemd.path("/opt/gatepost").exists()


def test_one_default_for_all_policy_services_is_as_good_as_one_in_the_line(systemd):
    systemd.run("scripts/bring-up")
    ask_from_postfix(systemd, f"{UNSAFE}\nsmtpd_policy_service_default_action = DUNNO")
    systemd.run("make", "uninstall")

    assert not systemd.path("/opt/gatepost").exists()


def test_a_postfix_that_asks_postgrey_there_is_no_reason_to_stay(systemd):
    ask_from_postfix(systemd, UNSAFE)
    systemd.run("make", "uninstall")

    assert not systemd.path("/opt/gatepost").exists()


def test_the_shell_scripts_have_no_known_faults():
    scripts = [ROOT / "scripts" / name for name in SCRIPTS]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)

    assert "" == done.stdout
    assert 0 == done.returncode
