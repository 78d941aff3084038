"""The processes that torchrun started for one run: which one this is, and messages from the first to the others.

Messages go over a connection of their own, beside torch.distributed: the others wait for as long as a run is paused, and the
first one learns at once which of them has ended, whatever a GPU is waiting for. Loads no torch until a run has several processes.
"""

import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from kdcore.errors import UserError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets
CONNECT = 300.0  # seconds for the others to be there
LONGEST_GREETING = 1000  # bytes
GRACE = 5.0  # seconds to end in order after another process has ended
Message = dict[str, Any]


def launched() -> bool:
    """Whether this process is one of several of a run."""
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def without_advice_of_torch() -> None:
    """Before torch is loaded: no advice in the terminal of each process that is meant for the code and not for its users."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def rank() -> int:
    return int(os.environ["RANK"])


def world() -> int:
    return int(os.environ["WORLD_SIZE"])


def local_rank() -> int:
    """Its place among those of this machine."""
    return int(os.environ["LOCAL_RANK"])


def local_world() -> int:
    """How many there are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


class Ended(UserError):
    """Another process of the run has ended."""


class First:
    """The first process's end of the connections to all others. `send` belongs to one thread at a time."""

    def __init__(self, server: socket.socket, others: int, token: str) -> None:
        self.lost = ""  # a sentence, once another process has ended before its time
        self.on_lost: Callable[[str], None] = lambda sentence: (
            None
        )  # called some seconds later, if this process still runs
        self.world = others + 1
        self._changed = threading.Condition()
        self._ready: set[int] = set()
        self._closing = False
        self._others: dict[int, socket.socket] = {}
        server.settimeout(CONNECT)
        while len(self._others) < others:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                raise UserError(
                    f"Only {len(self._others) + 1} of {self.world} processes started within {CONNECT:.0f} s."
                ) from None
            self._greet(connection, token)
        server.close()

    def _greet(self, connection: socket.socket, token: str) -> None:
        connection.settimeout(CONNECT)
        lines = connection.makefile("r", encoding="utf-8")
        hello = _read(lines.readline(LONGEST_GREETING)) or {}
        if hello.get("token") != token or not isinstance(hello.get("rank"), int):
            connection.close()
            return
        connection.settimeout(None)
        self._others[hello["rank"]] = connection
        threading.Thread(target=self._listen, args=(hello["rank"], lines), daemon=True).start()

    def send(self, message: Message) -> None:
        """To all others. Raises Ended."""
        self.check()
        line = json.dumps(message).encode() + b"\n"
        for connection in self._others.values():
            try:
                connection.sendall(line)
            except OSError:
                self._wait_for_the_reason()
                raise Ended(self.lost) from None

    def check(self) -> None:
        """Raises Ended where another process has ended."""
        if self.lost:
            raise Ended(self.lost)

    def wait_until_ready(self) -> None:
        """Wait until all others have answered `ready`, however long it takes. Raises Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self.lost or len(self._ready) == len(self._others))
            self._ready.clear()
        self.check()

    def reason(self) -> str:
        """Why another process has ended, after an error that its end may have caused; empty where none has."""
        if not self.lost:
            self._wait_for_the_reason()
        return self.lost

    def close(self) -> None:
        """Let the others end. May be called twice."""
        self._closing = True
        for connection in self._others.values():
            try:
                connection.sendall(b'{"end": "all"}\n')
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _wait_for_the_reason(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.lost, GRACE)

    def _listen(self, rank: int, lines: Any) -> None:
        reason = "it was killed, or its machine is gone"
        try:
            for line in lines:
                message = _read(line) or {}
                if "ready" in message:
                    with self._changed:
                        self._ready.add(rank)
                        self._changed.notify_all()
                reason = message.get("failed", reason)
        except OSError:
            pass
        if self._closing:
            return
        sentence = (
            f"Process {rank} of {self.world} ended: {reason.rstrip('.')}. (They are counted from 0.) Resume the run from its last "
            "checkpoint, with any number of processes."
        )
        with self._changed:
            self.lost = self.lost or sentence
            self._changed.notify_all()
        threading.Timer(GRACE, lambda: self._closing or self.on_lost(self.lost)).start()


class Follower:
    """Another process's end of its connection to the first. Where that one ends before its time, this process ends too."""

    def __init__(self, connection: socket.socket, token: str) -> None:
        self._connection = connection
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.answer({"rank": rank(), "token": token})
        threading.Thread(target=self._listen, daemon=True).start()

    def receive(self) -> Message | None:
        """The next message, however long it takes; None where there will be no more."""
        return self._messages.get()

    def answer(self, message: Message) -> None:
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # the first process has ended, as `receive` reports

    def _listen(self) -> None:
        in_order = False
        try:
            for line in self._connection.makefile("r", encoding="utf-8"):
                if (message := _read(line)) == {"end": "all"}:
                    in_order = True
                    break
                self._messages.put(message)
        except OSError:
            pass
        self._messages.put(None)
        threading.Event().wait(GRACE)  # the main thread may be waiting for the first process on a GPU, without end
        os._exit(0 if in_order else 1)


def connected() -> "First | Follower":
    """The connection between the first process and the others. Raises UserError."""
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    shared, _, _ = next(iter(rendezvous("env://")))
    store = dist.PrefixStore(f"kdcore/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", shared)
    _kept.append(store)  # of the process group, too: the address can be used once
    token, host = os.environ.get("TORCHELASTIC_RUN_ID", ""), os.environ["MASTER_ADDR"]
    if rank() == 0:
        server = _server(host)
        store.set("port", str(server.getsockname()[1]))
        return First(server, world() - 1, token)
    try:
        connection = socket.create_connection((host, int(store.get("port"))), timeout=CONNECT)
    except OSError as error:
        raise UserError(
            f"The first process cannot be reached at {host}: {error}. Open the network between the machines."
        ) from None
    connection.settimeout(None)
    return Follower(connection, token)


def begin_group(device_type: str) -> None:
    """Make the process group of torch.distributed, on the addresses that `connected` used."""
    import torch.distributed as dist

    backend = "nccl" if device_type == "cuda" else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("group", _kept[-1]), rank=rank(), world_size=world())


_kept: list[Any] = []


def _server(host: str) -> socket.socket:
    for address in (host, ""):  # all addresses where the name is that of another one
        try:
            return socket.create_server((address, 0))
        except OSError as error:
            print(f"note: {host} is no address of this machine: {error}", file=sys.stderr)
    raise UserError(f"No port could be opened for the other processes on {host}.")


def _read(line: str) -> Message | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
