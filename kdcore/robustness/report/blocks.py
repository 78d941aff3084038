"""The parts of a report, and how they are written as HTML and as Markdown."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
body { font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; color: #1d2127; background: #fff;
  max-width: 1080px; margin: 0 auto; padding: 32px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; } h2 { font-size: 22px; margin: 44px 0 8px; }
h3 { font-size: 17px; margin: 28px 0 6px; } p, li { max-width: 76ch; }
table { border-collapse: collapse; font-size: 14px; margin: 12px 0; } figure { margin: 20px 0 28px; overflow-x: auto; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid #e4e6ea; vertical-align: top; }
th { font-weight: 600; } td { font-variant-numeric: tabular-nums; } .wide { overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: 6px; } svg { max-width: none; height: auto; }
details { margin: 12px 0; } summary { cursor: pointer; font-weight: 600; } code { font-size: 14px; }
"""


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Items:
    """A list; `title`: of a list that is folded until it is opened."""

    items: Sequence[str]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """`title`: of a table that is folded until it is opened."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """name: of its file, without ending."""

    name: str
    title: str
    svg: str


Block = Heading | Text | Items | Table | Chart


def as_html(title: str, blocks: Sequence[Block]) -> str:
    """One file that needs no other and no network connection."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def as_markdown(blocks: Sequence[Block], pictures: str, *, deeper: int = 0) -> str:
    """Charts as links to SVG files in a folder. Folded parts are left out.

    Args:
        pictures: the folder of the charts, as the document links to it.
        deeper: added to the level of headings.
    """
    found = []
    for block in blocks:
        match block:
            case Heading(text, level):
                found.append(f"{'#' * (level + deeper)} {text}")
            case Text(text):
                found.append(text)
            case Items(items, ""):
                found.append("\n".join(f"- {each}" for each in items))
            case Table(head, rows, ""):
                lines = [head, ["---"] * len(head), *rows]
                found.append("\n".join(f"| {' | '.join(each.replace('|', '/') for each in row)} |" for row in lines))
            case Chart(name, title, _):
                found.append(f"![{title}]({pictures}/{name}.svg)")
    return "\n\n".join(found)


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Items(items, title):
            return _folded(title, "<ul>" + "".join(f"<li>{_inline(each)}</li>" for each in items) + "</ul>")
        case Table(head, rows, title):
            first = "".join(f"<th>{_inline(each)}</th>" for each in head)
            others = "".join("<tr>" + "".join(f"<td>{_inline(each)}</td>" for each in row) + "</tr>" for row in rows)
            made = f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{others}</tbody></table></div>'
            return _folded(title, made)
        case Chart(name, title, svg):
            return f"<figure><figcaption>{_inline(title)}</figcaption>{own_ids(svg, name)}</figure>"


def own_ids(svg: str, name: str) -> str:
    """The same picture with ids that no other picture of the page has."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)


def _folded(title: str, made: str) -> str:
    return f"<details><summary>{_inline(title)}</summary>{made}</details>" if title else made


def _inline(text: str) -> str:
    """Text with `code` and **bold**."""
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped)
