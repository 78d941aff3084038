"""YAML to plain data and back, within limits: for recipes, studies and values on the command line.

A text may come from anybody, so it is read event by event, with its size, depth and entries counted on the way: libyaml
itself composes nested text by recursion and unfolds aliases without limit. What a recipe has no use for is refused in
words: aliases, merge keys, tags, dates, keys that are there twice, numbers that are not finite, and numbers that YAML 1.1
reads otherwise than they look (010 is 8, 1:30 is 90). All that is raised is a RecipeError.
"""

import math
import re
import unicodedata
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from kdcore.errors import RecipeError, clipped, shortened

MOST_BYTES = 1_000_000
MOST_DEPTH = 50  # of nested lists and mappings
MOST_ENTRIES = 10_000  # of one list or mapping
MOST_VALUES = 50_000  # of the whole text
LONGEST_KEY = 200
LONGEST_NUMBER = 100  # characters

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it: an eighth of the time
TAG = "tag:yaml.org,2002:"
COLLECTION_TAGS = (None, "!", f"{TAG}seq", f"{TAG}map")
NEXT_LINE = "\x85"
INVISIBLE = ("Zs", "Zl", "Zp", "Cf")  # categories of characters: spaces, and what has no width
REMEDIES = {  # of libyaml's messages
    "could not find expected ':'": "a key needs a colon and a space after it, as in `epochs: 10`.",
    "found unknown escape character": "a backslash within double quotes begins an escape: use single quotes.",
    "found character that cannot start any token": "text that begins with such a character goes in quotes; lines with ``` go.",
}
UNLIKE_ITS_LOOK = re.compile(r"[-+]?0[0-9_]+|.*:.*")  # octal, sexagesimal
TAG_DIRECTIVE = re.compile(r"(?:^|[\r\n\x85\u2028\u2029])%TAG")  # libyaml compares each with all before it


Lines = dict[tuple[str, ...], int]  # the keys that lead to a value -> the line that it begins in


def read(text: str | bytes, *, source: str, lines: Lines | None = None) -> Any:
    """The plain data of a text: mappings with text as keys, lists, texts, finite numbers, true, false and null.

    Args:
        text: bytes are UTF-8.
        source: what messages call it, for example the file's name.
        lines: filled with the line of each value, for later messages.

    Raises:
        RecipeError: states what is wrong and, as far as that is known, in which line and at which key.
    """
    source = clipped(source)
    text = decoded(text, source=source) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    if len(text) > MOST_BYTES or len(data := _encoded(text, source)) > MOST_BYTES:
        raise RecipeError(f"{source} is too long: at most {MOST_BYTES / 1e6:g} MB of text are allowed.")
    if found := TAG_DIRECTIVE.search(text):
        line = len(text[: found.end()].splitlines())
        raise RecipeError(f"{source} has a %TAG directive in line {line}; tags are not supported: leave it out.")
    return _Reader(data, source, {} if lines is None else lines).document()


def read_file(path: Path, *, kind: str, lines: Lines | None = None) -> Any:
    """Like `read`, for a file; at most as much as a text may have is read. `kind` names it in messages: recipe, study."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"Cannot read the {kind} {clipped(str(path))}: {error.strerror}.") from None
    except ValueError:  # a zero byte
        raise RecipeError(f"Cannot read the {kind} {shortened(str(path))}: that is not a path.") from None
    return read(data, source=str(path), lines=lines)


def decoded(data: bytes, *, source: str) -> str:
    """The text of a file's bytes, without a byte order mark. Raises RecipeError, as `read` does."""
    if len(data) > MOST_BYTES:
        raise RecipeError(f"{clipped(source)} is too long: at most {MOST_BYTES / 1e6:g} MB of text are allowed.")
    wrong = f"{clipped(source)} is not UTF-8 text: save it as UTF-8."
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise RecipeError(f"{wrong} It looks like UTF-16, or is not text at all.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(f"{wrong} Line {line} has the byte 0x{data[error.start]:02x}, as Latin-1 has it.") from None


def written(plain: Any) -> str:
    """Plain data as YAML for `read`."""
    text = _dumped(plain, _FastDumper)
    return _dumped(plain, _Dumper) if "\\U" in text else text  # libyaml escapes emoji; people read them


def _dumped(plain: Any, dumper: type[yaml.SafeDumper]) -> str:
    text: str = yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def in_a_line(plain: Any) -> str:
    """The same in one line, for short values."""
    written: str = yaml.dump(plain, Dumper=_Dumper, default_flow_style=True, width=math.inf)
    return written.removesuffix("...\n").strip()  # the end of a document that is one value


class _Texts:
    """How both dumpers write texts, and data that are there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        quoted = '"' if NEXT_LINE in data else None  # in any other style it is a line break, which is read as a space
        return self.represent_scalar(f"{TAG}str", data, style=quoted)  # type: ignore[attr-defined]


class _Dumper(_Texts, yaml.SafeDumper): ...


class _FastDumper(_Texts, getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """libyaml's, where PyYAML has it: a fifth of the time. Only long lines in double quotes may break elsewhere."""


for _dumper in (_Dumper, _FastDumper):
    _dumper.add_representer(str, _dumper.represent_str)


def _encoded(text: str, source: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # the command line keeps bytes that are not UTF-8 so
        character = ord(text[error.start])
        raise RecipeError(f"{source} is not UTF-8 text: it has the character U+{character:04X}.") from None


class _Reader:
    """One pass over the events of a text. `place` is the current key."""

    def __init__(self, data: bytes, source: str, lines: Lines) -> None:
        self.data = data
        self.source = source
        self.lines = lines
        self.loader = LOADER(data)
        self.place: list[str] = []
        self.values = 0

    def document(self) -> Any:
        try:
            return self._document()
        except yaml.YAMLError as error:
            raise RecipeError(f"{self.source} is not valid YAML: {self._problem(error)}") from None
        finally:
            self.loader.dispose()

    def _document(self) -> Any:
        self.loader.get_event()  # the stream starts
        if isinstance(self.loader.get_event(), StreamEndEvent):
            return None
        found = self._value(self.loader.get_event())
        self.loader.get_event()  # the document ends
        after = self.loader.get_event()
        if not isinstance(after, StreamEndEvent):
            self._refuse(after, "a second document begins here; one is read, so leave out what follows `---`")
        return found

    def _value(self, event: Any) -> Any:
        self._count(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if event.tag not in COLLECTION_TAGS:
            self._refuse(event, f"the tag {shortened(event.tag.removeprefix(TAG))} is not supported: leave it out")
        if len(self.place) >= MOST_DEPTH:
            self._refuse(
                event, f"lists and mappings are nested too deeply here: at most {MOST_DEPTH} levels are allowed"
            )
        return self._mapping(event) if isinstance(event, MappingStartEvent) else self._list(event)

    def _count(self, event: Any) -> None:
        self.values += 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            self._refuse(
                event,
                f"{clipped(sign + event.anchor, 60)}: anchors (&) and aliases (*) are not supported. Write the value out "
                "wherever it is needed; a text that begins with such a sign goes in quotes",
            )
        if self.values > MOST_VALUES:
            self._refuse(event, f"the text has too many values: at most {MOST_VALUES:,} are allowed")

    def _list(self, start: Any) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self.loader.get_event(), SequenceEndEvent):
            if len(found) >= MOST_ENTRIES:
                self._refuse(event, f"the list has too many entries: at most {MOST_ENTRIES:,} are allowed")
            self.place.append(str(len(found)))
            self.lines[tuple(self.place)] = event.start_mark.line + 1
            found.append(self._value(event))
            self.place.pop()
        return found

    def _mapping(self, start: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := self.loader.get_event(), MappingEndEvent):
            if len(found) >= MOST_ENTRIES:
                self._refuse(event, f"the mapping has too many keys: at most {MOST_ENTRIES:,} are allowed")
            key, line = self._key(event), event.start_mark.line + 1
            self.place.append(key)
            if key in lines:
                self._refuse(event, f"the key is there twice ({_lines(lines[key], line)}): leave out one of them")
            lines[key] = self.lines[tuple(self.place)] = line
            found[key] = self._value(self.loader.get_event())
            self.place.pop()
        return found

    def _key(self, event: Any) -> str:
        self._count(event)
        if not isinstance(event, ScalarEvent):
            self._refuse(event, "a key cannot be a list or a mapping; text in braces or brackets goes in quotes")
        key: str = event.value
        if len(key) > LONGEST_KEY:
            self._refuse(event, f"the key {shortened(key)} is too long: at most {LONGEST_KEY} characters are allowed")
        if odd := next((each for each in key if each != " " and unicodedata.category(each) in INVISIBLE), ""):
            self._refuse(
                event,
                f"the key {shortened(key.replace(odd, ' '))} has the invisible character U+{ord(odd):04X}, as copied from a web "
                "page: write an ordinary space, or none",
            )
        if key == "<<" and event.implicit[0]:
            self._refuse(event, "<<: other mappings are not merged here; write their keys out")
        if self._tag(event) not in (f"{TAG}str", f"{TAG}value"):
            self._refuse(event, f"YAML does not read the key {shortened(key)} as text: put it in quotes")
        return key

    def _tag(self, event: Any) -> str:
        if event.tag not in (None, "!"):
            return str(event.tag)
        if not event.implicit[0]:  # quoted
            return f"{TAG}str"
        return str(self.loader.resolve(yaml.ScalarNode, event.value, (True, False)))

    def _scalar(self, event: Any) -> Any:
        text, tag = event.value, self._tag(event).removeprefix(TAG)
        match tag:
            case "str" | "value" | "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in yaml.SafeLoader.bool_values:
                return yaml.SafeLoader.bool_values[text.lower()]
            case "int" | "float":
                return self._number(event, tag)
            case "timestamp":
                return self._refuse(
                    event,
                    f"{shortened(text)} is a date in YAML, which no setting accepts; for text, put it in quotes",
                )
        return self._refuse(event, f"the tag {shortened(tag)} is not supported: leave it out")

    def _number(self, event: Any, tag: str) -> float:
        text = event.value
        if len(text) > LONGEST_NUMBER:
            self._refuse(event, f"a number of {len(text):,} characters: at most {LONGEST_NUMBER} are allowed")
        node = yaml.ScalarNode(TAG + tag, text)
        try:
            number = self.loader.construct_yaml_int(node) if tag == "int" else self.loader.construct_yaml_float(node)
        except (ValueError, IndexError, OverflowError):
            self._refuse(event, f"{shortened(text)} is not a number: for text, put it in quotes")
        if UNLIKE_ITS_LOOK.fullmatch(text):
            self._refuse(
                event, f"YAML reads {shortened(text)} as {number:g}: {_meant(text)}, or put it in quotes for text"
            )
        if not math.isfinite(number):
            self._refuse(event, f"{shortened(text)} is not a finite number: give one, or put it in quotes for text")
        return number

    def _refuse(self, event: Any, why: str) -> NoReturn:
        key = f", `{clipped('.'.join(self.place), 80)}`" if self.place else ""
        raise RecipeError(f"{self.source} is not valid YAML: line {event.start_mark.line + 1}{key}: {why}.")

    def _problem(self, error: yaml.YAMLError) -> str:
        """libyaml's message, with the line."""
        if isinstance(error, yaml.MarkedYAMLError):
            known = REMEDIES.get(error.problem or "")
            mark = (error.context_mark if known else None) or error.problem_mark or error.context_mark
            last = self.data.rstrip(b"\n").count(b"\n")  # libyaml counts a line after the end
            line = f"line {min(mark.line, last) + 1}: " if mark else ""
            if mark and self.data[mark.index : mark.index + 1] == b"\t":
                return f"{line}it is indented with a tab: use spaces."
            return line + (known or f"{clipped(', '.join(filter(None, [error.problem, error.context])))}.")
        if isinstance(error, yaml.reader.ReaderError):
            number = self.data[: error.position].count(b"\n") + 1
            character = f"U+{error.character:04X}" if isinstance(error.character, int) else shortened(error.character)
            return f"line {number}: it has the character {character}, which YAML does not allow."
        return clipped(str(error))


def _meant(text: str) -> str:
    """How to write a number that YAML 1.1 takes for octal or sexagesimal."""
    return "write minutes or hours as one number" if ":" in text else "leave out the zeros before it"


def _lines(first: int, second: int) -> str:
    return f"lines {first} and {second}" if first != second else f"both in line {first}"
