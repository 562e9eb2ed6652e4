"""The reference page and the example file, made from the options themselves.

Every option is declared once, beside the code that uses it, with a docstring
below it. Both texts are made from these, so that they cannot say anything else.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from gatepost.config.expected import expected, plain
from gatepost.config.schema import (
    TABLES,
    Config,
    arrays,
    check_defaults,
    check_sections,
    sections,
    switches,
)
from gatepost.config.toml import toml_key, toml_value
from gatepost.options import Options

EXAMPLES = {
    "rules": '"helo.ours" = "reject"\n"helo.*" = 3\n"ptr.generic" = 0',
    "delay": '"greylist.*" = "2s"',
}
WIDTH = 100

REFERENCE_HEAD = """\
# Configuration

One TOML file: the one given with `--config`, else `/etc/gatepost/gatepost.toml`. Without a file every
option has the default given here. `gatepost config check` tells all that is wrong with a file,
`gatepost config show` what it comes to, and `gatepost config example` prints a file with every option in it.

Durations are numbers of seconds, or text with units: `"500ms"`, `"90s"`, `"5m"`, `"1h 30m"`, `"2d"`, `"1w"`.

This page is made from the code by `gatepost config reference`.
"""
EXAMPLE_HEAD = """\
# Gatepost's configuration, with every option, what it does, and its default.
# No option needs to be set, and no file is needed at all.
# Look for faults with `gatepost config check FILE`; take a change up with `gatepost reload`.
"""


class Option(msgspec.Struct, frozen=True):
    """One option as it is documented."""

    name: str
    default: Any
    """As it stands in a file; msgspec.UNSET when there is none, None when it is not set."""
    expected: str
    text: str


class Section(msgspec.Struct, frozen=True):
    """One section as it is documented."""

    name: str
    """Empty for what stands at the top."""
    text: str
    options: tuple[Option, ...] = ()
    many: bool = False
    """An array of tables: `[[name]]`, once for each."""
    defaults: tuple[Any, ...] = ()
    """Of an array: the elements without a file."""
    like: str = ""
    """Of an array: the section that has the same options and is documented before."""

    @property
    def head(self) -> str:
        return f"[[{self.name}]]" if self.many else f"[{self.name}]"


def all_sections() -> list[Section]:
    """Every section, in the order of the reference page."""
    docs = field_docs(Config)
    top = _options(Config, only=set(switches()))
    tables = [Section(name, docs[name]) for name in TABLES]
    parts = [Section(name, class_doc(kind), _options(kind)) for name, kind in sections().items()]
    several = [Section(name, class_doc(kind), _options(kind), many=True) for name, kind in arrays().items()]
    found = [Section("", "", top), *tables, *parts, *several]
    for name in check_sections():
        found.append(_check_section(name, found))
    return found


def _check_section(name: str, before: Iterable[Section]) -> Section:
    check = check_sections()[name]
    kind = check.Options
    if isinstance(kind, type):
        return Section(name, class_doc(kind), _options(kind))
    item: type[Options] = get_args(kind)[0]
    text = inspect.cleandoc((inspect.getmodule(check) or check).__doc__ or "").partition("\n\n")[0]
    options = _options(item)
    like = next((section.name for section in before if section.many and section.options == options), "")
    return Section(name, text, options, many=True, defaults=tuple(check_defaults(check)), like=like)


def _options(kind: type[msgspec.Struct], only: Iterable[str] | None = None) -> tuple[Option, ...]:
    docs = field_docs(kind)
    return tuple(
        Option(f.encode_name, _default(f), expected(f.type), docs.get(f.name, ""))
        for f in msgspec.structs.fields(kind)
        if only is None or f.encode_name in only
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return plain(field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return plain(field.default_factory())
    return msgspec.UNSET


def class_doc(kind: type) -> str:
    """The docstring of a class, its lines joined."""
    return inspect.cleandoc(kind.__doc__ or "")


def field_docs(kind: type) -> dict[str, str]:
    """The docstring below each field of a struct, those of its bases too."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is not Options and isinstance(base, type) and issubclass(base, Options):
            docs.update(_own_field_docs(base))
    return docs


def _own_field_docs(kind: type) -> dict[str, str]:
    definition = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(definition, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = inspect.cleandoc(text)
    return docs


# --- the reference page --------------------------------------------------------------------------------


def reference() -> str:
    """docs/config.md."""
    blocks = [REFERENCE_HEAD.rstrip()]
    for section in all_sections():
        blocks.append(f"## `{section.head}`" if section.name else "## At the top of the file")
        blocks += [section.text] if section.text else []
        if section.name in EXAMPLES:
            blocks.append(f"```toml\n[{section.name}]\n{EXAMPLES[section.name]}\n```")
        if section.many:
            blocks.append(_of_many(section))
        if not section.like:
            blocks += [_option_block(option) for option in section.options]
    return "\n\n".join(blocks) + "\n"


def _of_many(section: Section) -> str:
    if not section.defaults:
        return "Stands once for each; by default there is none."
    shown = " ".join(toml_value(_set_apart(item)) for item in section.defaults)
    text = (
        f"Stands once for each. Without any, as if this stood here: `{shown}`; `{section.name} = []` is none."
    )
    return text + (f" The options are those of `[[{section.like}]]`." if section.like else "")


def _option_block(option: Option) -> str:
    match option.default:
        case msgspec.UnsetType():
            default = "It must be given."
        case None:
            default = "Default: not set."
        case value:
            default = f"Default: `{toml_value(value)}`."
    return f"### `{option.name}`\n\n{option.text}\n\nExpected: {option.expected}. {default}"


# --- the example file ------------------------------------------------------------------------------------


def example() -> str:
    """examples/gatepost.toml: prose after `# `, options after `#` alone."""
    blocks = [EXAMPLE_HEAD.rstrip()]
    for section in all_sections():
        lines = _prose(section.text)
        if section.many:
            lines += _many_lines(section)
        else:
            lines += [section.head] if section.name else []
            lines += [f"#     {line}" for line in EXAMPLES.get(section.name, "").splitlines()]
            lines += _option_lines(section.options)
        blocks.append("\n".join(lines))
    return "\n\n\n".join(blocks) + "\n"


def _many_lines(section: Section) -> list[str]:
    lines = ["# Stands once for each."]
    if not section.defaults:  # what must be given has no default to show: all of it stays prose
        lines += [f"# {section.head}", *(_as_prose(line) for line in _option_lines(section.options))]
    if section.like:
        lines += [f"# The options are those of [[{section.like}]]."]
    for number, item in enumerate(section.defaults):
        lines.append(f"#{section.head}")
        if number or section.like:
            lines += [f"#{key} = {toml_value(value)}" for key, value in _set_apart(item).items()]
        else:
            lines += _option_lines(section.options, plain(item))
    return lines


def _as_prose(line: str) -> str:
    return line if not line or line.startswith("# ") else f"# {line[1:]}"


def _option_lines(options: Iterable[Option], values: dict[str, Any] | None = None) -> list[str]:
    lines: list[str] = []
    for option in options:
        value = (values or {}).get(option.name, option.default)
        given = value is not None and value is not msgspec.UNSET
        shown = f"{toml_key(option.name)} = {toml_value(value) if given else '…'}"
        lines += ["", *_prose(option.text), f"#{shown}" if given else f"# {shown}"]
    return lines[1:]


def _prose(text: str) -> list[str]:
    paragraphs = text.split("\n\n") if text else []
    return [f"# {line}" for paragraph in paragraphs for line in textwrap.wrap(paragraph, WIDTH)]


def _set_apart(item: msgspec.Struct) -> dict[str, Any]:
    """The options of `item` that do not have their defaults."""
    options = {option.name: option.default for option in _options(type(item))}
    return {key: value for key, value in plain(item).items() if value != options[key]}
