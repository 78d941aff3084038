"""A download that is made when it is pressed and fails says why, as far as the visit may read it."""

import asyncio
import importlib
import logging

import pytest
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from kdcore.errors import UserError
from pages.parts import engine
from pages.parts.roles import role


@pytest.fixture
def press(monkeypatch):
    """Press a button of a visit, as the server does: gets what makes the file, and gives Streamlit's answer to the browser."""
    monkeypatch.setattr(DeferredFileHandler, "handle", DeferredFileHandler.handle)  # put back afterwards
    importlib.reload(importlib.import_module("app"))
    files = MediaFileManager(MemoryMediaFileStorage("/media"))

    def pressed(make, file_id=None):
        request = BackendOperationRequest(request_id="one", session_id="visit")
        request.deferred_file.file_id = file_id or files.add_deferred(make, "text/csv", "0.1")
        return asyncio.run(DeferredFileHandler(lambda: files).handle(request, "visit"))

    return pressed


REFUSAL = "The weights of /srv/kd/runs/one take 900 MiB, too much for a download."


def refused():
    raise UserError(REFUSAL)


def test_a_file_is_sent(press):
    answer = press(lambda: "a,b\n")
    assert answer.request_id == "one"
    assert answer.deferred_file.url.startswith("/media/")
    assert not answer.error_msg


def test_the_operator_reads_why(press, monkeypatch, caplog):
    monkeypatch.setattr(role, "operates", lambda session: session == "visit")
    assert press(refused).error_msg == REFUSAL
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_visitor_reads_why_without_paths(press):
    assert press(refused).error_msg == "The weights of one take 900 MiB, too much for a download."


@pytest.mark.usefixtures("visiting")
def test_what_only_the_operator_may_download_says_so(press):
    answer = press(role.of_this_visit(lambda: engine.run_report(["a"])))
    assert answer.error_msg.startswith("Only the operator can make reports of runs.")


def test_a_bug_is_a_sentence_with_its_number(press, caplog):
    answer = press(lambda: {}["no run"])
    assert answer.error_msg.startswith("Something went wrong here. The log has the details under ")
    assert answer.error_msg.split()[-1].rstrip(".") in caplog.text


def test_a_button_that_is_no_longer_offered_says_what_to_do(press):
    assert (
        press(None, "0" * 32).error_msg == "This download is no longer offered here: reload the page and press again."
    )
