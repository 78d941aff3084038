"""Which addresses the app answers at: its own and those in KD_HOSTS, whatever other name points here (DNS rebinding).

A web page from elsewhere can make its own name lead to this machine, and would then be same-origin with the app. Its
requests still carry that name in `Host`, and its websockets in `Origin`; here both are compared with the server's own.
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
    """Where a server is: name in lower case, IPv6 without brackets. port: None where none was given."""

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
def named(text: str) -> frozenset[Address]:
    """What KD_HOSTS lists: names with commas between. One without a port is meant at 80, 443 and the app's own port."""
    listed = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        origin = ORIGIN.fullmatch(entry.lower().removesuffix("/"))  # copied from an address bar
        if address := parse(origin["address"] if origin else entry):
            listed.add(address)
        else:
            logger.warning("%s: %r is ignored; a name is expected, as in %s=kd.example.org", VARIABLE, entry, VARIABLE)
    return frozenset(listed)


class Server(NamedTuple):
    """One connection's end here. reached: the address of this machine that was connected to; port: None for a socket file."""

    reached: str
    port: int | None

    def answers_at(self, address: Address, scheme: str) -> bool:
        """Whether a browser that comes by this address comes to this server; `scheme` gives the port that it left out."""
        if any(self._lists(listed, address) for listed in named(os.environ.get(VARIABLE, ""))):
            return True
        port = address.port or WEB_PORTS[scheme]
        return port == (self.port or WEB_PORTS[scheme]) and self._has(address.name)

    def _lists(self, listed: Address, address: Address) -> bool:
        ports = {80, 443, self.port} if listed.port is None else {listed.port}
        come = {80, 443} if address.port is None else {address.port}  # whether by https, only a proxy knows
        return listed.name == address.name and not ports.isdisjoint(come)

    def _has(self, name: str) -> bool:
        if name in LOCAL:
            return True
        configured = (st.get_option("server.address") or "0.0.0.0").lower()
        if self.reached in LOCAL and (configured in LOCAL or configured.startswith("127.")):
            return name == configured  # started for this machine alone
        return name in {self.reached, configured, *_hostnames()} - {"0.0.0.0", "::"} or _of_this_machine(name)


def server(scope: Scope) -> Server:
    reached, port = scope.get("server") or ("", None)
    try:
        return Server(_plain(reached), port)
    except ValueError:
        return Server("", port)  # a socket file: a proxy stands before it, on this machine


def refusal(scope: Scope) -> Refusal | None:
    """Why this request is not answered; None where it is."""
    headers, here, scheme = Headers(scope=scope), server(scope), scope.get("scheme", "http")
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or len(origins) > 1:
        return Refusal(400, f"A request needs one Host header and at most one Origin. {_ways(here)}")
    host = parse(hosts[0])
    if not host or not here.answers_at(host, scheme):
        return Refusal(403 if host else 400, f"This app is not at {_quoted(hosts[0])}. {_ways(here)}")
    if not origins:
        missing = f"A websocket without an Origin header is refused: a browser always sends one. {_ways(here)}"
        return Refusal(403, missing) if scope["type"] == "websocket" else None
    origin = ORIGIN.fullmatch(origins[0].lower())
    source = parse(origin["address"]) if origin else None
    if origin and source and source.name == host.name and here.answers_at(source, origin["scheme"]):
        return None
    return Refusal(403, f"A page from {_quoted(origins[0])} may not use this app. {_ways(here)}")


class OwnAddress:
    """Middleware: refuses requests and websockets that come by another address, or from another one's page."""

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


def _ways(here: Server) -> str:
    """Which address would do, and how to allow one."""
    addresses = [f"http://{Address('localhost', here.port)}"]
    if here.reached and here.reached not in LOCAL:
        addresses.append(f"http://{Address(here.reached, here.port)}")
    return (
        f"Open {' or '.join(addresses)}. For other machines on this network start it with `make run HOST=0.0.0.0`; "
        f"to allow a name, as of a proxy or a tunnel, set it: `{VARIABLE}=kd.example.org make run`."
    )


def _quoted(header: str) -> str:
    """What came, where it is an address's characters and nothing else."""
    return f"`{header}`" if PRINTABLE.fullmatch(header) else "the address that was given"


def _plain(address: str) -> str:
    """An IP address in its one spelling; an IPv4 address that came through an IPv6 socket as IPv4. Raises ValueError."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _hostnames() -> set[str]:
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return {full, short, f"{short}.local"} - {"", ".local"}


def _of_this_machine(name: str) -> bool:
    """Whether this is the IP address of one of its interfaces: only then a socket can be bound to it. Nothing is sent."""
    try:
        address = ipaddress.ip_address(name)
        if address.is_unspecified or address.is_multicast or address.is_reserved:
            return False
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6) as probe:
            probe.bind((name, 0))
    except (ValueError, OSError):
        return False
    return True
