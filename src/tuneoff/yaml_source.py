"""Study files as plain values with the line of each part; YAML as people mean it, refused where it surprises.

The scalars are those of YAML 1.2's core schema: `no`, `off` and `2024-01-01` are texts, `1e-4` is a number. Aliases,
tags and merge keys are refused, so that a value is written where it is read, and a small file cannot unfold into a
large one.
"""

import codecs
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import yaml

from tuneoff.section import Section
from tuneoff.words import visible

KeyPath = tuple[str | int, ...]
Complain = Callable[[KeyPath, str], None]
DEEPEST = 20
LARGEST = 1_000_000
LARGEST_NUMBER = 2**63 - 1
_HINTS = {
    "cannot start any token": "YAML is indented with spaces; a text that starts with a special character needs quotes",
    "mapping values are not allowed here": "a text with ': ' in it needs quotes; or the indentation is off",
    "could not find expected ':'": "a key is followed by a colon and a space; or the indentation is off",
    "expected a single document": "a study file holds one study: remove what follows the line '---'",
    "but found '<scalar>'": "a text with quotes inside needs quotes around all of it; or a comma is missing",
}


@dataclass
class Source:
    """A study as it was written: plain values, and for each part of it the place where it was written."""

    name: str
    value: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return where the innermost known part around a path was written: 'study.yaml:12', '--set ...' or the name."""
        return next((self.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.places), self.name)

    def put(self, path: KeyPath, place: str) -> None:
        """Note that the part at a path now comes from elsewhere, as a whole."""
        self.forget(path)
        self.places[path] = place

    def forget(self, path: KeyPath) -> None:
        """Drop what is known of a part that was taken out."""
        self.places = {known: place for known, place in self.places.items() if known[: len(path)] != path}


def shown(path: KeyPath) -> str:
    """Return a path as it is shown in messages: techniques[3].rank."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{visible(part)}" for part in path)
    return text.removeprefix(".")


def read_yaml(content: bytes, name: str) -> tuple[Source, list[str]]:
    """Return a study file's content as a source, with one line for each thing that is wrong with its YAML.

    The source's value is None where nothing could be read.
    """
    source = Source(name, None)
    if len(content) > LARGEST:
        return source, [
            f"{name}: {len(content):,} bytes is too large for a study file. Name a YAML file that describes a study."
        ]
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return source, [f"{name}:{line}: byte 0x{content[error.start]:02x} is not UTF-8 text. Save the file as UTF-8."]
    builder = _Builder(source)
    try:
        node = yaml.compose(text, Loader=_Loader)
        source.value = builder.value(node, ()) if node is not None else None
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        return source, [_syntax_problem(error, text, name)]
    return source, builder.problems


def read_value(text: str) -> Any:
    """Return a value written in YAML on the command line; raises ValueError with what is wrong with it."""
    source, problems = read_yaml(text.encode("utf-8", "surrogateescape"), "value")
    if problems:
        raise ValueError(" ".join(problem.partition(" ")[2] for problem in problems))
    return source.value


def plain(value: Any, complain: Complain, path: KeyPath = ()) -> Any:
    """Return a value made of mappings, lists, texts, finite numbers, true, false and None alone.

    Sections and paths of the Python interface become what a file would hold. `complain` is told of what cannot.
    """
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) > LARGEST_NUMBER:
                complain(path, "a whole number of more than 64 bits. Give a smaller one.")
            return value
        case str():
            odd = next((c for c in value if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
            if odd is not None:
                complain(path, f"a text with the control character {odd!r}. Remove it.")
            return value
        case float():
            if not isfinite(value):
                complain(path, f"{value} is no finite number. Put it in quotes if it is a text.")
            return value
        case os.PathLike():
            return os.fspath(value)
        case Section():
            return plain(value.model_dump(mode="json", exclude_unset=True), complain, path)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    complain((*path, str(key)), f"keys are texts, not {key!r}.")
                elif visible(key) != key:
                    complain((*path, key), "a key with a character that does not show. Remove it.")
            return {str(key): plain(item, complain, (*path, str(key))) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [plain(item, complain, (*path, n)) for n, item in enumerate(value)]
    complain(path, f"a value of the Python type {type(value).__name__}. Give numbers, texts, lists and mappings.")
    return None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe parser with YAML 1.2's scalars, without aliases, and only so deep."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it bare
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"the alias *{event.anchor}: write the value out, or let a technique `use:` another", event)
        if self.depth > DEEPEST:
            raise _refused("nested too deeply for a study", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refused(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


_PLAIN_SCALARS = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^[-+]?[0-9]{1,18}$", list("-+0123456789")),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
}


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe writer, which also quotes the texts that our reader would take for something else."""


_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1's, where `no` is a truth value and 1e-4 a text
for _name, (_pattern, _first) in _PLAIN_SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _first)


def to_yaml(value: Any) -> str:
    """Return plain values as YAML text that `read_yaml` reads back as the same values."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def to_inline_yaml(value: Any) -> str:
    """Return plain values as YAML text that fits behind a key, on one line."""
    text: str = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.strip().removeprefix("[").removesuffix("]")


class _Builder:
    """Makes plain values of YAML nodes, and notes the place of each; problems are gathered, not raised."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[str] = []

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if path:
            self.source.places.setdefault(path, self._at(node))
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{self._at(key_node)}: keys are single words, not lists or mappings.")
                continue
            key = _joined(key_node.value)
            inner = (*path, key)
            if key in result:
                first = self.source.places[inner].rpartition(":")[2]
                self.problems.append(
                    f"{self._at(key_node)}: {shown(inner)}: written twice, first in line {first}. Keep one."
                )
                continue
            self.source.places[inner] = self._at(key_node)
            result[key] = self.value(value_node, inner)
        return result

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = node.value
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if isinstance(text, str) and re.fullmatch(_PLAIN_SCALARS["int"][0], text):
                return int(text)
            case "float" if isinstance(text, str) and re.fullmatch(_PLAIN_SCALARS["float"][0], text):
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case "str":
                return _joined(text)
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        self.problems.append(
            f"{self._at(node)}: {shown(path) or 'the study'}: YAML tags such as {tag} are not used here."
        )
        return None

    def _at(self, node: yaml.Node) -> str:
        return f"{self.source.name}:{node.start_mark.line + 1}"


def _joined(text: str) -> str:
    """Return a text with the two halves of a character that was written as JSON does ("\\ud83d\\ude00") joined."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text  # a half alone, which is complained about


def _syntax_problem(error: yaml.MarkedYAMLError | yaml.reader.ReaderError, text: str, name: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        return f"{name}:{line}:{column}: the control character {text[error.position]!r}. Remove it."
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not YAML"
    if error.context and problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    hint = next((f" ({hint})" for key, hint in _HINTS.items() if key in problem), "")
    place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return f"{place}: {problem}{hint}."
