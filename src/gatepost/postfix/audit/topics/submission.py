"""Ports where own users hand in mail: they log in, encrypted, and nobody else gets in there."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import flat, reached
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import LISTS

WRAPPED = ("465", "smtps", "submissions")
ENCRYPTED = ("encrypt", "dane-only", "fingerprint", "verify", "secure")

NO_LOGIN = Fault(
    "submission.no_login",
    Severity.WARNING,
    "A port for own users does not let them log in",
    "smtpd_sasl_auth_enable is not yes there, so users away from home cannot send, and nothing tells them "
    "from strangers.",
    "Switch authentication on for the service.",
)
STRANGERS = Fault(
    "submission.strangers",
    Severity.WARNING,
    "Strangers can hand in mail at a port for own users",
    "Nothing refuses a client that did not log in, so mail for us comes in there past the checks of port 25.",
    "Let the service permit own users and reject everybody else.",
)
PLAIN = Fault(
    "submission.plain",
    Severity.WARNING,
    "Passwords can go over the wire unencrypted",
    "The service offers authentication without asking for TLS first; whoever listens on the way reads "
    "passwords, and sends spam with them.",
    "Ask for TLS before authentication.",
)
UNWRAPPED = Fault(
    "submission.unwrapped",
    Severity.WARNING,
    "Port 465 does not begin with TLS",
    "Mail programs begin with TLS at once there (RFC 8314, 3.3), and do not understand a greeting in the "
    "clear.",
    "Set smtpd_tls_wrappermode = yes for the service.",
)
ON_25 = Fault(
    "submission.on_25",
    Severity.NOTE,
    "Port 25 lets users log in",
    "Passwords are guessed there day and night; own users have port 587 or 465.",
    "Switch authentication off in main.cf, and on for submission in master.cf.",
)
FAULTS = (NO_LOGIN, STRANGERS, PLAIN, UNWRAPPED, ON_25)


def look(scene: Scene) -> Iterator[Finding]:
    """Every port where own users may hand in mail."""
    for service in scene.outside:
        logs_in = scene.instance.truth("smtpd_sasl_auth_enable", service)
        if scene.instance.is_submission(service):
            yield from _port(scene, service, logs_in=logs_in)
        elif logs_in and service in scene.instance.mx_services:
            yield ON_25.found(
                f"{_place(scene, service)}; {scene.says('smtpd_sasl_auth_enable', service)}",
                f"In {scene.instance.main_file}:\nsmtpd_sasl_auth_enable = no\n"
                + _override(scene, "submission/inet", "smtpd_sasl_auth_enable=yes"),
            )
        if logs_in and not _encrypted(scene, service):
            says = scene.says("smtpd_tls_security_level", service)
            seen = f"{_place(scene, service)}; {says}; {scene.says('smtpd_tls_auth_only', service)}"
            yield PLAIN.found(seen, f"In {scene.instance.main_file}:\nsmtpd_tls_auth_only = yes")


def _port(scene: Scene, service: Service, *, logs_in: bool) -> Iterator[Finding]:
    place = _place(scene, service)
    if not logs_in:
        yield NO_LOGIN.found(place, _override(scene, service.key, "smtpd_sasl_auth_enable=yes"))
    if not any(_refuses(scene, service, parameter) for parameter in LISTS):
        closed = "{ smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject }"
        yield STRANGERS.found(place, _override(scene, service.key, closed))
    if service.port in WRAPPED and not scene.instance.truth("smtpd_tls_wrappermode", service):
        yield UNWRAPPED.found(place, _override(scene, service.key, "smtpd_tls_wrappermode=yes"))


def _refuses(scene: Scene, service: Service, parameter: str) -> bool:
    """Whether a list refuses whoever is not let in before its end."""
    items = reached(flat(scene, parameter, service))
    return bool(items) and items[-1].name in ("reject", "defer") and not items[-1].warns


def _encrypted(scene: Scene, service: Service) -> bool:
    instance = scene.instance
    level = instance.value("smtpd_tls_security_level", service).lower()
    asked = any(instance.truth(name, service) for name in ("smtpd_enforce_tls", "smtpd_tls_auth_only"))
    return level in ENCRYPTED or asked or instance.truth("smtpd_tls_wrappermode", service)


def _place(scene: Scene, service: Service) -> str:
    return f"{scene.instance.master_file}:{service.line}: {service.key}"


def _override(scene: Scene, key: str, setting: str) -> str:
    return f"In {scene.instance.master_file}, at {key}:\n  -o {setting}"
