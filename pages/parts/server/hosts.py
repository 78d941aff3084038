"""Host and Origin checks against DNS rebinding: the app answers at its own addresses and those in KD_HOSTS.

The owner of a foreign web page can point its name at this machine, and the page is then same-origin with the app. Its
requests still carry that name in `Host`, and its websockets in `Origin`; both are compared with the server's own.
"""

import ipaddress
import logging
import os
import re
import socket
from functools import lru_cache
from typing import NamedTuple

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

VARIABLE = "KD_HOSTS"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
WEB_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_.-]{1,253}))(?::(?P<port>[0-9]{1,5}))?")
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<address>[^/?#@]+)")
PRINTABLE = re.compile(r"[A-Za-z0-9.:/_\[\]-]{1,80}")

logger = logging.getLogger(__name__)


class Address(NamedTuple):
    """A host and port. name: lower case, IPv6 without brackets. port: None where none was given."""

    name: str
    port: int | None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


class Refusal(NamedTuple):
    status: int
    reason: str


def parse(text: str) -> Address | None:
    """`name`, `name:port`, `127.0.0.1:port` or `[::1]:port`; None for anything else."""
    found = ADDRESS.fullmatch(text.lower())
    if not found:
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        return None
    if not found["six"]:
        name = found["name"].removesuffix(".")  # a name from the root is the same name
        return Address(name, port) if name else None
    try:
        return Address(_plain(found["six"]), port)
    except ValueError:
        return None


@lru_cache(maxsize=8)
def allowed(text: str) -> frozenset[Address]:
    """The addresses in KD_HOSTS, separated by commas. Without a port, an address is allowed at 80, 443 and the app's port."""
    listed = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        origin = ORIGIN.fullmatch(entry.lower().removesuffix("/"))  # copied from an address bar
        if address := parse(origin["address"] if origin else entry):
            listed.add(address)
        else:
            logger.warning(
                "%s: %r is ignored. Expected a host name, as in %s=kd.example.org", VARIABLE, entry, VARIABLE
            )
    return frozenset(listed)


class Server(NamedTuple):
    """The server's end of a connection. reached: the address that was connected to; port: None for a Unix socket."""

    reached: str
    port: int | None

    def answers_at(self, address: Address, scheme: str) -> bool:
        """Whether this address is one of the server's; `scheme` gives the port where the address has none."""
        if any(self._matches(entry, address) for entry in allowed(os.environ.get(VARIABLE, ""))):
            return True
        port = address.port or WEB_PORTS[scheme]
        return port == (self.port or WEB_PORTS[scheme]) and self._has(address.name)

    def _matches(self, entry: Address, address: Address) -> bool:
        ports = {80, 443, self.port} if entry.port is None else {entry.port}
        used = {80, 443} if address.port is None else {address.port}  # only a proxy knows whether it was https
        return entry.name == address.name and not ports.isdisjoint(used)

    def _has(self, name: str) -> bool:
        if name in LOCAL:
            return True
        configured = (st.get_option("server.address") or "0.0.0.0").lower()
        if self.reached in LOCAL and (configured in LOCAL or configured.startswith("127.")):
            return name == configured  # bound to the loopback interface only
        return name in {self.reached, configured, *_hostnames()} - {"0.0.0.0", "::"} or _of_this_machine(name)


def server(scope: Scope) -> Server:
    reached, port = scope.get("server") or ("", None)
    try:
        return Server(_plain(reached), port)
    except ValueError:
        return Server("", port)  # a Unix socket, behind a proxy on this machine


def refusal(scope: Scope) -> Refusal | None:
    """Why this request is refused; None where it is answered."""
    headers, here, scheme = Headers(scope=scope), server(scope), scope.get("scheme", "http")
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or len(origins) > 1:
        return Refusal(400, f"A request needs one Host header and at most one Origin. {_remedy(here)}")
    host = parse(hosts[0])
    if not host or not here.answers_at(host, scheme):
        return Refusal(403 if host else 400, f"This app does not answer at {_quoted(hosts[0])}. {_remedy(here)}")
    if not origins:
        missing = f"A websocket needs an Origin header, which every browser sends. {_remedy(here)}"
        return Refusal(403, missing) if scope["type"] == "websocket" else None
    origin = ORIGIN.fullmatch(origins[0].lower())
    source = parse(origin["address"]) if origin else None
    if origin and source and source.name == host.name and here.answers_at(source, origin["scheme"]):
        return None
    return Refusal(403, f"A page from {_quoted(origins[0])} may not use this app. {_remedy(here)}")


class OwnAddress:
    """Middleware: refuses requests and websockets to other addresses, or from pages of other addresses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(scope) if scope["type"] in ("http", "websocket") else None
        if not refused:
            await self.app(scope, receive, send)
        elif scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
            await PlainTextResponse(refused.reason + "\n", refused.status)(scope, receive, send)
        else:
            await WebSocketClose(1008, refused.reason[:120])(scope, receive, send)


def _remedy(here: Server) -> str:
    """The addresses that work, and how to allow another."""
    addresses = [f"http://{Address('localhost', here.port)}"]
    if here.reached and here.reached not in LOCAL:
        addresses.append(f"http://{Address(here.reached, here.port)}")
    return (
        f"Open {' or '.join(addresses)}. To serve other machines of this network, start it with `make run HOST=0.0.0.0`. "
        f"To allow another name, such as a proxy's, start it with `{VARIABLE}=kd.example.org make run`."
    )


def _quoted(header: str) -> str:
    """The header in quotes; not repeated where it has characters that no address has."""
    return f"`{header}`" if PRINTABLE.fullmatch(header) else "the requested address"


def _plain(address: str) -> str:
    """An IP address in its canonical spelling, IPv4-mapped IPv6 as IPv4. Raises ValueError for anything else."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _hostnames() -> set[str]:
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return {full, short, f"{short}.local"} - {"", ".local"}


def _of_this_machine(name: str) -> bool:
    """Whether this is the IP address of one of its interfaces: only then can a socket be bound to it. Sends nothing."""
    try:
        address = ipaddress.ip_address(name)
        if address.is_unspecified or address.is_multicast or address.is_reserved:
            return False
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6) as probe:
            probe.bind((name, 0))
    except (ValueError, OSError):
        return False
    return True
