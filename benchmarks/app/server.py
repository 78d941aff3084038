"""The app in a process of its own, for benchmarks."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kdcore import recipe as recipes
from kdcore.paths import ASSETS, PROJECT
from kdcore.recipe import Recipe
from kdcore.store import RESUMABLE, Store

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


PASSCODE = "correct horse"


class Server:
    """The app in a process of its own, with or without a long run."""

    def __init__(self, folder: Path, *, training: bool = True, shared: bool = False) -> None:
        """shared: others reach it too, so that visits from this machine are visitors until they enter the passcode."""
        plain = recipes.load(ASSETS / "recipes" / "quick.yaml").model_dump(mode="json")
        # any teacher costs the same; this one need not have been trained
        plain |= {"name": "benchmark", "teacher": {"model": "small_vit_patch8_64", "accept": True}, "epochs": 2000}
        self.inbox = folder / "inbox"  # recipes to run
        self.inbox.mkdir()
        self.long = recipes.from_plain(plain)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.store = Store(folder / "runs")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.inbox), str(self.port)],
            cwd=PROJECT,
            env=os.environ
            | {"KD_RUNS": str(folder / "runs"), "KD_DATA": str(folder / "data")}
            | ({"KD_HOSTS": "talk.invalid", "KD_PASSCODE": PASSCODE, "KD_ALLOW": str(self.inbox)} if shared else {}),
        )
        self.batch_size = self.long.data.batch_size
        self._until(self._answers, 120)
        self.run_id = ""
        if training:
            self.run_id = self.start(self.long)
            self._until(lambda: self.store.state(self.run_id).step > 20, 180)

    def start(self, recipe: Recipe) -> str:
        """Start a run; returns its id once its folder exists."""
        before = set(self.store.ids())
        partial = self.inbox / "recipe.partial"
        partial.write_text(recipe.to_yaml(), encoding="utf-8")
        partial.rename(self.inbox / "recipe.yaml")
        self._until(lambda: set(self.store.ids()) - before, 60)
        (run_id,) = set(self.store.ids()) - before
        return run_id

    def train_a_little(self) -> None:
        """Three epochs of few images, to the end."""
        few = self.long.data.model_copy(update={"train_images": 500, "test_images": 200, "labels": 200})
        run_id = self.start(self.long.model_copy(update={"epochs": 3, "name": "short", "data": few}))
        self._until(lambda: self.store.state(run_id).status in ("finished", *RESUMABLE), 180)

    def _answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            request = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            request.request("GET", "/_stcore/health")
            return request.getresponse().status == 200
        return False

    def _until(self, true: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                sys.exit("The server or its run did not start; see above.")
            time.sleep(0.2)

    def images_per_second(self, seconds: float) -> float:
        """Training speed between the first and the last step logged in this time."""
        path = self.store.folder(self.run_id) / "events.jsonl"
        start = path.stat().st_size
        time.sleep(seconds)
        with path.open("rb") as file:
            file.seek(start)
            events = [json.loads(line) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
        steps = [event for event in events if event["event"] == "StepEnded"]
        taken, spent = steps[-1]["step"] - steps[0]["step"], steps[-1]["time"] - steps[0]["time"]
        return float(taken * self.batch_size / spent)

    def close(self) -> dict[str, Any]:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        spent = time.monotonic() - began
        state = self.store.state(self.run_id)
        checkpoint = self.store.checkpoint(self.run_id)
        return {
            "seconds": spent,
            "status": state.status,
            "checkpoint": checkpoint is not None and int(checkpoint.stem) == state.step,
        }


SERVE = """
import pathlib, sys, threading, time
from kdcore import recipe, runner
from streamlit.web.cli import main

def start_runs(inbox):
    while True:
        if inbox.is_file():
            found = recipe.load(inbox)
            inbox.unlink()
            runner.get().start(found)
        time.sleep(0.1)

inbox = pathlib.Path(sys.argv[1]) / "recipe.yaml"
threading.Thread(target=start_runs, args=(inbox,), daemon=True).start()
sys.argv = ["streamlit", "run", "app.py", "--server.headless", "true", "--server.port", sys.argv[2],
            "--logger.hideWelcomeMessage", "true"]
main()
"""
