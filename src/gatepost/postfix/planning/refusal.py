"""Configurations in front of which we stop: planning there would be guessing.

Pure. Raises ConfError, with file, line and reason.
"""

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.placeholder import placeholder
from gatepost.postfix.conf.restrictions import LISTS, POLICY, policy_of, wrong_option
from gatepost.postfix.planning.ourline import OurLine, address_version

OLDEST = (3, 0)
"""Since Postfix 3.0 a policy service can have a timeout and a default action of its own."""
_UNFILLED = '"{}" looks like a template that was never filled in'


def refuse_unclear(instance: Instance, line: OurLine) -> None:
    """Raise ConfError where planning would be guessing."""
    if instance.release < OLDEST:
        raise ConfError(
            f"Postfix {instance.version or 'of unknown version'} is older than 3.0 and cannot give a policy "
            "service its own timeout and default action, so that a stopped Gatepost would stop mail"
        )
    _refuse_templates(instance)
    if not instance.mx_services:
        raise ConfError(_no_mx(instance), 0, instance.master_file)
    _refuse_unreachable(instance, line)
    _refuse_dying(instance)


def _refuse_templates(instance: Instance) -> None:
    for entry in instance.main.entries:
        if found := placeholder(entry.name, entry.value):
            raise ConfError(_UNFILLED.format(found), entry.line, instance.main_file)
    for service in instance.master.services:
        texts = [("", service.name, service.line), *((o.name, o.value, o.line) for o in service.overrides)]
        for name, text, at in texts:
            if found := placeholder(name, text):
                raise ConfError(_UNFILLED.format(found), at, instance.master_file)


def _refuse_dying(instance: Instance) -> None:
    """What postconf and `postfix check` say nothing of, and smtpd ends at."""
    for service in instance.smtp_services:
        if service.arguments:
            reason = (
                f'smtpd takes no "{service.arguments[0]}", and would not start '
                "(there are no remarks behind a service in its line)"
            )
            raise ConfError(reason, service.line, instance.master_file)
        for name in instance.value("smtpd_restriction_classes", service).replace(",", " ").split():
            if not instance.value(name, service).strip():
                reason = f"the restriction class {name} has no definition, and smtpd would not start"
                raise instance.unclear(reason, "smtpd_restriction_classes", service)
        for parameter in (*LISTS, *sorted(instance.classes)):
            _refuse_policy(instance, parameter, service)


def _refuse_policy(instance: Instance, parameter: str, service: Service) -> None:
    """A check_policy_service that cannot be."""
    for item in instance.restrictions(parameter, service):
        if item.name != POLICY:
            continue
        try:
            policy_of(item)
            word = wrong_option(item)
        except ConfError as error:
            raise instance.unclear(error.reason, parameter, service) from None
        if word:
            reason = f'"{word}" is no option of a policy service (NAME=VALUE without blanks)'
            raise instance.unclear(f"{reason}, and smtpd would not start", parameter, service)


def _no_mx(instance: Instance) -> str:
    smtpds = [service for service in instance.smtp_services if service.type == "inet"]
    if "inet" in instance.value("master_service_disable").split():
        why = "master_service_disable turns all inet services off"
    elif not smtpds:
        why = "no smtpd service takes mail from the network"
    else:
        why = f"no smtpd service listens at port 25 ({', '.join(s.key for s in smtpds)})"
    others = "".join(f"; another instance: -c {folder}" for folder in instance.others)
    return f"{why}: there is nothing to put Gatepost in front of{others}"


def _refuse_unreachable(instance: Instance, line: OurLine) -> None:
    """A place that smtpd cannot reach: with default_action=DUNNO nobody would notice that it never asks."""
    kind, _, path = line.server.partition(":")
    if kind == "unix":
        _refuse_chroot(instance, path)
        return
    version = address_version(line.server)
    protocols = instance.value("inet_protocols").replace(",", " ").lower().split()
    if version and not {"all", version} & set(protocols):
        raise instance.unclear(
            f"Postfix uses {' '.join(protocols)} alone (inet_protocols) and cannot reach {line.server}; let "
            "Gatepost listen at the other kind of address as well ([listen] policy)",
            "inet_protocols",
        )


def _refuse_chroot(instance: Instance, path: str) -> None:
    """A unix socket is looked for inside the chroot."""
    for service in instance.smtp_services:
        if instance.is_chrooted(service) and path.startswith("/"):
            raise ConfError(
                f"{service.key} runs in a chroot and cannot reach the socket {path}; let Gatepost listen at "
                'a port as well ([listen] policy = ["inet:127.0.0.1:10023"])',
                service.line,
                instance.master_file,
            )
