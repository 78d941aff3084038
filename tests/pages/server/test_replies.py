"""What a browser requested arrives, also where a script starts before it is sent."""

import importlib

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


@pytest.fixture
def queue(monkeypatch) -> ForwardMsgQueue:
    """As the server has it: an address for an upload, and some text of a script that is about to start anew."""
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)  # put back afterwards
    importlib.reload(importlib.import_module("app"))
    queue = ForwardMsgQueue()
    addresses, text, status = ForwardMsg(), ForwardMsg(), ForwardMsg()
    addresses.file_urls_response.response_id = "five photos"
    text.delta.new_element.text.body = "old"
    text.metadata.delta_path[:] = [0, 0]
    status.session_status_changed.run_on_save = False
    for message in (text, addresses, status):
        queue.enqueue(message)
    return queue


def kinds(queue: ForwardMsgQueue) -> set[str]:
    return {each.WhichOneof("type") for each in queue.flush()}


def test_addresses_for_uploads_outlast_the_start_of_a_script(queue):
    queue.clear(retain_lifecycle_msgs=True)
    assert kinds(queue) == {"file_urls_response", "session_status_changed"}


def test_no_reply_is_sent_twice_where_a_part_of_the_page_runs(queue):
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["a"])
    sent = [each.WhichOneof("type") for each in queue.flush()]
    assert sorted(sent) == ["delta", "file_urls_response", "session_status_changed"]


def test_what_was_sent_is_gone(queue):
    assert len(queue.flush()) == 3
    assert queue.is_empty()


def test_a_queue_of_a_visit_that_ended_is_emptied(queue):
    queue.clear()
    assert queue.is_empty()
