"""Which DKIM keys the signers on this machine use: OpenDKIM, dkimpy-milter, rspamd. Pure: `read` gives files.

Nothing here raises: what is not understood is passed over, since a signer
that we cannot read is no fault of the mail server.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from gatepost.address import name_fault, normal_domain
from gatepost.postfix.settings import ReadFile

CLASSIC = (
    "/etc/opendkim.conf",
    "/etc/opendkim/opendkim.conf",
    "/etc/dkimpy-milter/dkimpy-milter.conf",
    "/usr/local/etc/mail/opendkim.conf",
)
"""OpenDKIM and dkimpy-milter have the same form of configuration (opendkim.conf(5))."""
RSPAMD = ("/etc/rspamd/local.d/dkim_signing.conf", "/etc/rspamd/override.d/dkim_signing.conf")
RSPAMD_PATH = "/var/lib/rspamd/dkim/$domain.$selector.key"
RSPAMD_SELECTOR = "dkim"
"""What rspamd's dkim_signing module does unless told otherwise."""
MOST_KEYS = 200
DEEPEST = 8
"""Braces within braces that are read."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\];=]|[^\s{}\[\];="]+')


class KeyFile(msgspec.Struct, frozen=True):
    """A private key, and the name under which its public half must stand."""

    domain: str
    selector: str
    path: str
    where: str
    """File and line that name it."""


class Signers(msgspec.Struct, frozen=True):
    """What was found."""

    files: tuple[str, ...] = ()
    """Configurations of signers that are there."""
    keys: tuple[KeyFile, ...] = ()


def signers(read: ReadFile, domains: Sequence[str], files: Iterable[str] = (*CLASSIC, *RSPAMD)) -> Signers:
    """The keys with which mail of `domains` is signed."""
    there: list[str] = []
    keys: list[KeyFile] = []
    for file in files:
        text = read(file)
        if text is None:
            continue
        found = list(_rspamd(text, file, domains) if "rspamd" in file else _classic(text, file, read))
        if found or "rspamd" not in file:
            there.append(file)
        keys += found
    fine = (key for key in keys if not name_fault(key.domain) and not name_fault(f"{key.selector}.x"))
    unique = {(key.domain, key.selector): key for key in fine}
    return Signers(tuple(there), tuple(unique.values())[:MOST_KEYS])


# --- OpenDKIM, dkimpy-milter --------------------------------------------------------------------------


def _classic(text: str, file: str, read: ReadFile) -> Iterator[KeyFile]:
    values = {name.lower(): (value, line) for name, value, line in _lines(text)}

    def said(name: str) -> str:
        return values.get(name, ("", 0))[0]

    if said("keytable"):
        yield from _table(said("keytable"), said("signingtable"), read)
    for selector, key in (("selector", "keyfile"), ("selectored25519", "keyfileed25519")):
        if said(selector) and said(key):
            where = f"{file}:{values[key][1]}"
            for domain in re.split(r"[\s,]+", said("domain")):
                yield KeyFile(normal_domain(domain), said(selector), said(key), where)


def _lines(text: str) -> Iterator[tuple[str, str, int]]:
    """First word, rest, and number of every line that is no comment."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split(None, 1)
        if len(words) == 2:
            yield words[0], words[1].strip(), number


def _table(named: str, signing: str, read: ReadFile) -> Iterator[KeyFile]:
    path = _path_of(named)
    by_name = _signed_domains(signing, read)
    for name, value, line in _lines(read(path) or ""):
        domain, _, rest = value.partition(":")
        selector, _, key = rest.partition(":")
        for one in by_name.get(name, ()) if domain == "%" else (domain,):
            yield KeyFile(normal_domain(one), selector, key, f"{path}:{line}")


def _signed_domains(named: str, read: ReadFile) -> Mapping[str, list[str]]:
    """Domains of senders, by the name of the key that signs for them."""
    found: dict[str, list[str]] = {}
    for pattern, name, _ in _lines(read(_path_of(named)) or "" if named else ""):
        domain = pattern.rpartition("@")[2].removeprefix("*").removeprefix(".")
        found.setdefault(name, []).append(domain)
    return found


def _path_of(named: str) -> str:
    return re.sub(r"^(?:refile|file):", "", named)


# --- rspamd -------------------------------------------------------------------------------------------


def _rspamd(text: str, file: str, domains: Sequence[str]) -> Iterator[KeyFile]:
    told = _ucl(_tokens(text))
    if told.get("enabled") in ("false", "no", "off"):
        return
    own = told.get("domain")
    special = own if isinstance(own, dict) else {}
    path, selector = _word(told, "path", RSPAMD_PATH), _word(told, "selector", RSPAMD_SELECTOR)
    for domain, sections in special.items():
        for section in sections if isinstance(sections, list) else [sections]:
            table = section if isinstance(section, dict) else {}
            yield from _of_section(table, normal_domain(domain), path, selector, file)
    if "path" in told or "selector" in told:
        for domain in domains:
            if domain not in special:
                yield KeyFile(domain, selector, _filled(path, domain, selector), file)


def _of_section(
    table: dict[str, object], domain: str, path: str, selector: str, file: str
) -> Iterator[KeyFile]:
    several = table.get("selectors")
    for one in several if isinstance(several, list) else [table]:
        if isinstance(one, dict):
            name = _word(one, "selector", selector)
            yield KeyFile(domain, name, _filled(_word(one, "path", path), domain, name), file)


def _word(table: Mapping[str, object], name: str, default: str) -> str:
    value = table.get(name, default)
    return value if isinstance(value, str) else default


def _filled(path: str, domain: str, selector: str) -> str:
    return path.replace("$domain", domain).replace("$selector", selector)


def _tokens(text: str) -> Iterator[str]:
    """Tokens of a configuration in rspamd's language (UCL), as far as key settings use it."""
    bare = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    for line in bare.splitlines():
        for token in _TOKEN.findall(re.sub(r"(?:^|\s)#.*", "", line)):
            yield token[1:-1] if token.startswith('"') else token


def _ucl(tokens: Iterator[str], depth: int = 0) -> dict[str, object]:
    """A table of tokens, up to its closing brace."""
    table: dict[str, object] = {}
    name = ""
    for token in tokens:
        if token == "}" or depth > DEEPEST:
            break
        if token in ("{", "["):
            inside = _ucl(tokens, depth + 1) if token == "{" else _list(tokens, depth + 1)
            if name:
                table[name] = inside
            name = ""
        elif token not in (";", "=", "]", ","):
            if name:
                table[name] = token
            name = "" if name else token.removesuffix(":")
    return table


def _list(tokens: Iterator[str], depth: int) -> list[object]:
    found: list[object] = []
    for token in tokens:
        if token == "]":
            break
        if token == "{" and depth <= DEEPEST:
            found.append(_ucl(tokens, depth + 1))
    return found
