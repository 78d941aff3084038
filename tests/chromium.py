"""Chromium as all tests start it: without what a browser does for people, and without what makes only long visits faster."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

# Chromium obeys the last list alone, so it has what Playwright disables. What is added would load a page of a thousand
# scripts beside each new window: the suggestions under an address bar that nobody sees.
_OF_PLAYWRIGHT = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect", "TcpPortRandomizationWin", "OptimizationHints", "NetworkTimeServiceQuerying",
    "AimEnabled", "PreconnectToSearch",
)  # fmt: skip
_ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", f"--disable-features={','.join((*_OF_PLAYWRIGHT, *_ADDRESS_BAR))}",
    "--js-flags=--no-opt --no-maglev",  # a page is too short-lived for what optimising its scripts takes
]  # fmt: skip


@contextlib.contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """A browser. While it is open, its event loop runs in this thread, where other tests may need the place."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*FLAGS, *flags])
        yield browser
        browser.close()
