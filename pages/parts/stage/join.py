"""The address at which others join, as text and as a QR code."""

import io
import os
from urllib.parse import urlsplit

import segno
import streamlit as st
from streamlit import net_util

from pages.parts.roles import exposure
from pages.parts.server import hosts


def address() -> str:
    """The address of this app for others, as the server prints it; empty where only this machine reaches it."""
    if not exposure.is_open():
        return ""
    here = urlsplit(st.context.url or "")
    scheme, port = here.scheme or "http", here.port or (None if here.scheme else st.get_option("server.port"))
    if here.hostname and here.hostname not in hosts.LOCAL:
        return f"{scheme}://{here.netloc}"  # it is the one that this window uses
    for entry in hosts.allowed(os.environ.get(hosts.VARIABLE, "")):
        return f"{scheme}://{entry}"
    name = net_util.get_internal_ip() or ""
    return f"{scheme}://{hosts.Address(name, port)}" if name and name not in hosts.LOCAL else ""


def qr_code(text: str) -> str:
    """An SVG picture, drawn here: dark on white in any theme, with the quiet zone that cameras need."""
    picture = io.BytesIO()
    segno.make(text, micro=False, error="m").save(
        picture, kind="svg", scale=8, border=4, dark="#000", light="#fff", xmldecl=False
    )
    return picture.getvalue().decode()


def draw() -> None:
    """The address and its code. A phone that scans it follows the presenter."""
    found = address()
    if not found:
        st.caption("Only this machine reaches the app. For others of this network: `make run HOST=0.0.0.0`.")
        return
    with st.container(horizontal_alignment="center"):
        st.image(qr_code(f"{found}/?follow=1"), width=480, alt=f"QR code of {found}")
        st.subheader(f"`{found}`", anchor=False, text_alignment="center")
