"""gatepost.dns.zone.Zone, in the shorter form of case files."""

from collections.abc import Mapping

from gatepost.dns.zone import Zone
from gatepost.network import parse_address, pointer_name

Records = Mapping[str, list[str] | str]
"""By record type; text instead of a list is why it cannot be known (`timeout`, `servfail`)."""


class ZoneResolver(Zone):
    """`{"mail.example.org": {"A": ["192.0.2.1"]}}`; an address stands for its reverse name."""

    def __init__(self, table: Mapping[str, Records | str]) -> None:
        super().__init__()
        for name, records in table.items():
            address = parse_address(name)
            key = pointer_name(address) if address else name
            if isinstance(records, str):
                self.add(key, f"!{records}")
                continue
            for kind, texts in records.items():
                self.add(f"{key} {kind}", f"!{texts}" if isinstance(texts, str) else texts)
