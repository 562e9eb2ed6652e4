"""One Postfix as it is configured: main.cf, master.cf and the built-in defaults, and what they come to.

Pure: `postfix.reading` makes one from files and postconf(1). Methods raise
ConfError, with file and line, for what cannot be understood safely.
"""

from collections.abc import Mapping
from functools import partial

import msgspec

from gatepost.postfix.conf.expand import expand
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.maincf import MainCf
from gatepost.postfix.conf.mastercf import MasterCf, Service
from gatepost.postfix.conf.restrictions import Item, split_items

MX_PORTS = frozenset(("smtp", "25"))
SUBMISSION_PORTS = frozenset(("submission", "587", "smtps", "submissions", "465"))
LOOPBACK = ("127.", "::1", "localhost")


class Instance(msgspec.Struct, frozen=True):
    """A Postfix configuration."""

    config_dir: str
    main: MainCf
    master: MasterCf
    defaults: Mapping[str, str]
    """What is built in (`postconf -d`), not expanded."""
    version: str = ""
    """For example `3.7.11`."""
    others: tuple[str, ...] = ()
    """Configuration directories of other instances (postmulti(1))."""

    # --- values ---

    def raw(self, parameter: str, service: Service | None = None) -> str | None:
        """What is set, or built in, not expanded; None when nobody knows such a setting."""
        override = service.override(parameter) if service else None
        if override is not None:
            return override.value
        entry = self.main.find(parameter)
        if entry is None and parameter == "config_directory":
            return self.config_dir  # postconf -d says what was built in, Postfix itself where it was started
        return entry.value if entry is not None else self.defaults.get(parameter)

    def value(self, parameter: str, service: Service | None = None) -> str:
        """What is in force, expanded."""
        try:
            return expand(self.raw(parameter, service) or "", partial(self.raw, service=service))
        except ConfError as error:
            raise self.unclear(f"{parameter}: {error.reason}", parameter, service) from None

    def truth(self, parameter: str, service: Service | None = None) -> bool:
        """A setting that is `yes` or `no`."""
        return self.value(parameter, service).strip().lower() == "yes"

    def restrictions(self, parameter: str, service: Service | None = None) -> list[Item]:
        """The restrictions in force, those behind `$names` included."""
        try:
            return split_items(self.value(parameter, service), parameter)
        except ConfError as error:
            raise self.unclear(error.reason, parameter, service) from None

    @property
    def classes(self) -> frozenset[str]:
        """Restriction classes: names for lists of the administrator's own."""
        return frozenset(self.value("smtpd_restriction_classes").replace(",", " ").split())

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers: `(3, 7)`."""
        parts = self.version.split("-")[0].split(".")[:2]
        return tuple(int(part) for part in parts if part.isdigit())

    # --- places ---

    @property
    def main_file(self) -> str:
        """The path of main.cf."""
        return f"{self.config_dir}/main.cf"

    @property
    def master_file(self) -> str:
        """The path of master.cf."""
        return f"{self.config_dir}/master.cf"

    def place(self, parameter: str, service: Service | None = None) -> tuple[str, int]:
        """File and line where a setting stands; line 0 when it is built in."""
        override = service.override(parameter) if service else None
        if override is not None:
            return self.master_file, override.line
        entry = self.main.find(parameter)
        return self.main_file, entry.line if entry else 0

    def unclear(self, reason: str, parameter: str, service: Service | None = None) -> ConfError:
        """The error for a setting that cannot be understood safely."""
        file, line = self.place(parameter, service)
        return ConfError(reason, line, file)

    # --- services ---

    @property
    def smtp_services(self) -> tuple[Service, ...]:
        """Every smtpd that master starts."""
        off = self.value("master_service_disable").replace(",", " ").split()
        return tuple(
            service
            for service in self.master.services
            if service.program == "smtpd" and service.type not in off and service.key not in off
        )

    @property
    def mx_services(self) -> tuple[Service, ...]:
        """The smtpd services that answer at port 25, also behind postscreen.

        Where nobody listens at port 25, the only smtpd service that is not for
        submission, if there is just one.
        """
        found = tuple(s for s in self.smtp_services if s.type == "inet" and s.port in MX_PORTS)
        if any(s.program == "postscreen" and s.type == "inet" for s in self.master.services):
            found += tuple(s for s in self.smtp_services if s.type == "pass")
        if found:
            return found
        others = [s for s in self.smtp_services if s.type == "inet" and not self.is_submission(s)]
        return tuple(others) if len(others) == 1 else ()

    def is_chrooted(self, service: Service) -> bool:
        """Whether it runs in a chroot; left open in master.cf, it does so below compatibility level 1."""
        level = self.value("compatibility_level").partition(".")[0]
        return service.chroot == "y" or (service.chroot == "-" and level in ("", "0"))

    def is_submission(self, service: Service) -> bool:
        """Whether own users hand in mail there: by its port, or because it offers authentication itself."""
        if service.type != "inet" or service.program != "smtpd" or service.port in MX_PORTS:
            return False
        offers = service.override("smtpd_sasl_auth_enable")
        return service.port in SUBMISSION_PORTS or (offers is not None and offers.value.lower() == "yes")

    def is_internal(self, service: Service) -> bool:
        """Whether only this machine reaches it, as where a content filter hands mail back."""
        if service.type == "unix":
            return True
        return service.type == "inet" and service.host.startswith(LOOPBACK)
