"""Addresses of views: a page of the app with its query parameters, and nothing else."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from kdcore.errors import UserError, clipped
from pages.parts import page_table

LONGEST = 2000  # characters of a query
MOST_PARAMETERS = 40
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
NOT_OF_A_VIEW = frozenset(
    {"present", "notes", "follow", "embed", "embed_options", "remove", "own"}
)  # of a window or one visitor


@dataclass(frozen=True)
class Address:
    """page: the last part of the path, empty for Start. query: encoded, without a question mark."""

    page: str
    query: str = ""

    def __str__(self) -> str:
        return f"/{self.page}?{self.query}" if self.query else f"/{self.page}"


def address(page: object, query: object = "") -> Address:
    """The address of a view, without the parameters that are a window's own. Raises UserError where it is no page of the app."""
    pages = page_table.addresses()
    if not isinstance(page, str) or page not in pages:
        known = ", ".join(f"/{each}" for each in pages)
        raise UserError(f"{clipped(repr(page), 60)} is no page of this app. Its pages: {known}.")
    if not isinstance(query, str) or len(query) > LONGEST:
        raise UserError(f"The parameters of an address are text of at most {LONGEST:,} characters.")
    try:
        pairs = parse_qsl(
            query.removeprefix("?"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        raise UserError(f"An address has at most {MOST_PARAMETERS} parameters, in UTF-8.") from None
    for name, value in pairs:
        if not NAME.fullmatch(name) or any(unicodedata.category(each) in ("Cc", "Cs") for each in value):
            raise UserError(f"{clipped(repr(name), 60)} is no parameter of this app's addresses.")
    kept = [(name, value) for name, value in pairs if name not in NOT_OF_A_VIEW]
    return Address(page, urlencode(kept, quote_via=quote))


def parse(text: str) -> Address:
    """`/train?run=one` or `train?run=one` -> its address. Raises UserError where it is none of this app's pages."""
    path, _, query = text.strip().partition("?")
    return address(path.removeprefix("/"), query.partition("#")[0])
