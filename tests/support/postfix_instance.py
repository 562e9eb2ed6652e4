"""A Postfix configuration as a value, from texts, with the built-in defaults that matter (Postfix 3.7)."""

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.plan import Plan, make_plan

LINE = OurLine("inet:127.0.0.1:10023")
ASK = "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO }"
LEARN = (
    "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO, policy_context=learn }"
)
ASKED = (
    "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO, policy_context=asked }"
)
BAN = "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO, policy_context=ban }"

SMTP = "smtp inet n - y - - smtpd\n"

DEFAULTS = {
    "compatibility_level": "0",
    "inet_protocols": "all",
    "invalid_hostname_reject_code": "501",
    "maps_rbl_reject_code": "554",
    "master_service_disable": "",
    "multi_instance_directories": "",
    "non_fqdn_reject_code": "504",
    "parent_domain_matches_subdomains": "relay_domains, smtpd_access_maps",
    "disable_vrfy_command": "no",
    "smtpd_delay_reject": "yes",
    "smtpd_client_restrictions": "",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
    "smtpd_etrn_restrictions": "",
    "smtpd_helo_required": "no",
    "smtpd_helo_restrictions": "",
    "smtpd_recipient_restrictions": "",
    "smtpd_reject_unlisted_recipient": "yes",
    "smtpd_relay_restrictions": "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, "
    "permit_sasl_authenticated, defer_unauth_destination}}",
    "smtpd_restriction_classes": "",
    "smtpd_sender_restrictions": "",
    "unknown_address_reject_code": "450",
    "unknown_client_reject_code": "450",
    "unknown_hostname_reject_code": "450",
}


def instance(main: str | bytes = "", master: str | bytes = SMTP, version: str = "3.7.11") -> Instance:
    """The Postfix that these files configure."""
    return Instance(
        config_dir="/etc/postfix",
        main=read_main(main.encode() if isinstance(main, str) else main),
        master=read_master(master.encode() if isinstance(master, str) else master),
        defaults=DEFAULTS,
        version=version,
    )


def after(made: Plan, before: Instance) -> Instance:
    """The Postfix when the plan has been carried out."""
    files = {change.path: change.after for change in made.changes}
    return instance(
        files.get(before.main_file, before.main.source.octets),
        files.get(before.master_file, before.master.source.octets),
        before.version,
    )


def planned(main: str = "", master: str = SMTP) -> Instance:
    """The Postfix after planning, which a second plan must leave alone."""
    before = instance(main, master)
    result = after(make_plan(before, LINE), before)
    again = make_plan(result, LINE)
    assert "" == again.diff
    return result


def names(configured: Instance, parameter: str, service: str = "") -> list[str]:
    """The restrictions in force, one text each, blanks made one."""
    where = configured.master.find(service) if service else None
    return [" ".join(item.text.split()) for item in configured.restrictions(parameter, where)]
