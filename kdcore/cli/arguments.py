"""Command lines before they are parsed: options that are abbreviated, repeated or before a subcommand, as in earlier releases"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cyclopts import App, Argument

# Earlier releases accepted these options with every subcommand; where they have no meaning, they have no effect.
WITHOUT_EFFECT = {"runs": ("--json",), "study": ("--json", "--against", "--set", "--seeds", "--device")}


@dataclass(frozen=True)
class Piece:
    """An option with its values, or another word (without `option`)."""

    tokens: list[str]
    option: Argument | None = None


def plugin_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files of `--plugin FILE`, which every command takes, and the other words; "" for one without its file."""
    files: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return files, [*others, word, *rest]
        if word == "--plugin":
            files.append(next(rest, ""))
        elif word.startswith("--plugin="):
            files.append(word.removeprefix("--plugin="))
        else:
            others.append(word)
    return files, others


def rewritten(app: App, tokens: list[str]) -> list[str]:
    """The same command line with full names of options, each at its command and given once."""
    if not tokens or tokens[0].startswith("-") or tokens[0] not in app:
        return tokens
    group = app[tokens[0]]
    chain, apps, words = app.parse_commands(subcommand_first(group, tokens))
    if chain[-1].startswith("-"):  # the help
        return tokens
    taken = _options(apps[-1])
    spare = [option for option in _without_effect(chain[0], group) if not _among(option, taken)]
    pieces = [
        piece for piece in _pieces(words, taken, spare) if piece.option is None or not _among(piece.option, spare)
    ]
    return [*chain, *(token for piece in _last_of_each(_one_recipe(pieces)) for token in piece.tokens)]


def subcommand_first(group: App, tokens: list[str]) -> list[str]:
    """`runs show --json ID` for `runs --json show ID`."""
    subcommands = {name for name in group if not name.startswith("-")}
    if len(tokens) < 3 or not tokens[1].startswith("-"):
        return tokens
    place = next((i for i, token in enumerate(tokens) if i and token in subcommands), 0)
    return [tokens[0], tokens[place], *tokens[1:place], *tokens[place + 1 :]] if place else tokens


def names(option: Argument) -> list[str]:
    """The long names of an option, without those that would negate it."""
    return [name for name in option.names if name.startswith("--") and name not in option.negatives]


def meant(word: str, options: Iterable[Argument]) -> list[Argument]:
    """The options that a name or the beginning of one may mean."""
    options = list(options)
    exact = [option for option in options if word in names(option)]
    return exact or [option for option in options if any(name.startswith(word) for name in names(option))]


def _options(command: App) -> list[Argument]:
    return [option for option in command.assemble_argument_collection() if option.parse and names(option)]


def _without_effect(noun: str, group: App) -> list[Argument]:
    if noun not in WITHOUT_EFFECT:
        return []
    commands = [group, *(group[name] for name in group if not name.startswith("-"))]
    known = {name: option for command in commands for option in _options(command) for name in names(option)}
    return [known[name] for name in WITHOUT_EFFECT[noun] if name in known]


def _pieces(words: Sequence[str], taken: list[Argument], spare: list[Argument]) -> Iterator[Piece]:
    place = 0
    while place < len(words) and words[place] != "--":
        word, equals, value = words[place].partition("=")
        place += 1
        found = (meant(word, taken) or meant(word, spare)) if word.startswith("--") and len(word) > 2 else []
        helped = len(word) > 2 and "--help".startswith(word)
        if len(found) != 1 or (helped and word not in names(found[0])):
            yield Piece(["--help" if helped and not found else word + equals + value])
            continue
        option = found[0]
        name = word if word in names(option) else next(each for each in names(option) if each.startswith(word))
        values = [] if equals else _values(words[place:], option)
        place += len(values)
        yield Piece([name + equals + value, *values], option)
    yield from (Piece([word]) for word in words[place:])


def _values(words: Sequence[str], option: Argument) -> list[str]:
    count, _ = option.token_count()
    if not option.parameter.consume_multiple:
        return list(words[:count])
    end = next((i for i, word in enumerate(words) if word.startswith("-") and not word[1:2].isdigit()), len(words))
    return list(words[:end])


def _one_recipe(pieces: list[Piece]) -> list[Piece]:
    """`distill quick --recipe other` trains `quick`."""
    if any(piece.option is None and not piece.tokens[0].startswith("-") for piece in pieces):
        return [piece for piece in pieces if piece.option is None or piece.option.field_info.is_keyword_only]
    return pieces


def _last_of_each(pieces: list[Piece]) -> Iterator[Piece]:
    """Options that hold one value, or one list of values, keep the last that is given."""
    for place, piece in enumerate(pieces):
        later = [other.option for other in pieces[place + 1 :] if other.option]
        if piece.option is None or _accumulates(piece.option) or not _among(piece.option, later):
            yield piece


def _accumulates(option: Argument) -> bool:
    return option.token_count()[1] and not option.parameter.consume_multiple


def _among(option: Argument, others: Iterable[Argument]) -> bool:
    return any(set(names(option)) & set(names(other)) for other in others)
