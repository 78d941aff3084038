"""Keeps replies to a browser's requests when a script starts, which empties the queue of what is not sent yet.

Streamlit 1.67 keeps news about scripts there, but not these replies: where a script started between an upload's request for
addresses and the reply, the browser waited for ever and those files were lost without a word.
"""

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

REPLIES = frozenset({"file_urls_response", "backend_operation_response"})

_clear = ForwardMsgQueue.clear


def keep() -> None:
    """Let the queues of all visits keep their replies."""
    ForwardMsgQueue.clear = _cleared  # type: ignore[method-assign]


def _cleared(
    queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
) -> None:
    before = queue._queue if retain_lifecycle_msgs else []  # else it is emptied because all of it was sent
    _clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)
    stays = {id(message) for message in queue._queue}
    replies = [each for each in before if each.WhichOneof("type") in REPLIES and id(each) not in stays]
    queue._queue = [*replies, *queue._queue]
