"""A browser that draws nothing: it uses Streamlit's websocket, waits until pages are complete and uploads files."""

import http.client
import time
import uuid
from contextlib import ExitStack
from http.cookies import SimpleCookie
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.sync.client import ClientConnection, connect

DONE = ("FINISHED_SUCCESSFULLY", "FINISHED_FRAGMENT_RUN_SUCCESSFULLY")
PATIENCE_SECONDS = 120.0


def connect_to(port: int, path: str = "_stcore/stream") -> ClientConnection:
    """A page's websocket to Streamlit or to another path, as a context manager, with the page's own address as its origin."""
    address = f"127.0.0.1:{port}"
    return connect(
        f"ws://{address}/{path}",
        origin=f"http://{address}",  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        open_timeout=PATIENCE_SECONDS,
    )


class Browser:
    """One visitor's session, as a context manager."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.session = ""
        self.uploader: Any = None  # the page's first file uploader, as the page describes it
        self._files: list[UploadedFileInfo] = []
        self._page: tuple[str, str] = ("", "")
        self._open = ExitStack()

    def __enter__(self) -> "Browser":
        self._live = self._open.enter_context(connect_to(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def visit(self, page: str, query: str = "") -> float:
        """Go to a page ("" is the start); returns the milliseconds until its script has ended and the page has arrived."""
        self._page, self._files, self.uploader = (page, query), [], None
        return self._run()

    def upload(self, name: str, content: bytes) -> float:
        """Upload one more file; returns the milliseconds until the page has arrived with it."""
        if self.uploader is None:
            raise ValueError("The page that was visited last has no file uploader.")
        began = time.perf_counter()
        message = BackMsg()
        message.file_urls_request.request_id = uuid.uuid4().hex
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session
        self._live.send(message.SerializeToString())
        urls = self._until("file_urls_response").file_urls_response.file_urls[0]
        self._put(urls.upload_url, name, content)
        self._files.append(UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls))
        state = WidgetState(id=self.uploader.id)
        state.file_uploader_state_value.uploaded_file_info.extend(self._files)
        self._run(WidgetStates(widgets=[state]))
        return 1000 * (time.perf_counter() - began)

    def _run(self, widgets: WidgetStates | None = None) -> float:
        page, query = self._page
        state = ClientState(query_string=query, page_name=page, widget_states=widgets)
        began = time.perf_counter()
        self._live.send(BackMsg(rerun_script=state).SerializeToString())
        finished = self._until("script_finished").script_finished
        if (status := ForwardMsg.ScriptFinishedStatus.Name(finished)) == "FINISHED_EARLY_FOR_RERUN":
            self._until("script_finished")  # the page asked to be run once more
        elif status not in DONE:
            raise RuntimeError(f"The page {page or 'start'} ended with {status}.")
        return 1000 * (time.perf_counter() - began)

    def _until(self, kind: str) -> Any:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            message = ForwardMsg.FromString(self._live.recv(timeout=end - time.monotonic()))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "new_session":
                self.session = message.new_session.initialize.session_id or self.session
            elif message.WhichOneof("type") == "delta":
                self._look_at(message.delta.new_element)
            if message.WhichOneof("type") == kind:
                return message

    def _look_at(self, element: Any) -> None:
        match element.WhichOneof("type"):
            case "exception":
                raise RuntimeError(f"The page {self._page} shows an error: {element.exception.message}")
            case "file_uploader" if self.uploader is None:
                self.uploader = element.file_uploader

    def _put(self, url: str, name: str, content: bytes) -> None:
        data = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data.request("GET", "/_stcore/health")
        answer = data.getresponse()
        answer.read()
        cookies = SimpleCookie(answer.getheader("Set-Cookie") or "")
        token = cookies["_streamlit_xsrf"].value if "_streamlit_xsrf" in cookies else ""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        if token:
            headers |= {"Cookie": f"_streamlit_xsrf={token}", "X-Xsrftoken": token}
        data.request("PUT", url, body, headers)
        answer = data.getresponse()
        reason = answer.read()
        data.close()
        if answer.status not in (200, 204):
            raise RuntimeError(f"The upload of {name} was refused: {answer.status} {reason[:200]!r}")
