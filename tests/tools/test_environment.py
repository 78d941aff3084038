"""tools/environment.py, with venv and pip replaced; no package is installed here."""

import importlib.util
import socket
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from kdcore.paths import PROJECT
from pages.parts.roles import passcode


@pytest.fixture
def environment(tmp_path, monkeypatch) -> ModuleType:
    """The tool with another `.venv`; calls of venv and pip are recorded in `done`."""
    spec = importlib.util.spec_from_file_location("environment", PROJECT / "tools" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    venv = tmp_path / ".venv"
    for name, value in {
        "VENV": venv, "STAMP": venv / "made-from", "UNFINISHED": venv / "unfinished", "LOG": venv / "pip.log",
        "VENV_PYTHON": venv / "bin" / "python", "REQUIREMENTS": tmp_path / "requirements.txt", "done": [],
    }.items():  # fmt: skip
        monkeypatch.setattr(tool, name, value, raising=False)
    tool.REQUIREMENTS.write_text("torch==2.15.0")

    def make_venv(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        tool.done.append("create")
        (venv / "bin").mkdir()
        tool.VENV_PYTHON.touch()
        return subprocess.CompletedProcess([], 0, b"")

    monkeypatch.setattr(tool.subprocess, "run", make_venv)
    monkeypatch.setattr(tool, "version_of", lambda python: "3.11.7" if tool.VENV_PYTHON.exists() else None)
    monkeypatch.setattr(tool, "install", lambda: tool.done.append("install"))
    return tool


def test_an_environment_is_made_once(environment):
    environment.make_environment()
    environment.make_environment()
    assert environment.done == ["create", "install"]


def test_new_requirements_update_it_in_place(environment):
    environment.make_environment()
    environment.REQUIREMENTS.write_text("torch==2.16.0")
    environment.make_environment()
    environment.make_environment()
    assert environment.done == ["create", "install", "install"]


def test_another_python_recreates_it(environment, monkeypatch):
    environment.make_environment()
    monkeypatch.setattr(environment, "version_of", lambda python: "3.12.1")
    environment.make_environment()
    assert environment.done == ["create", "install"] * 2


@pytest.mark.parametrize("interrupted", ["create", "install"])
def test_an_interrupted_one_is_recreated(environment, monkeypatch, interrupted):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            *((environment.subprocess, "run") if interrupted == "create" else (environment, "install")), interrupt
        )
        with pytest.raises(KeyboardInterrupt):
            environment.make_environment()
    environment.done.clear()
    environment.make_environment()
    assert environment.done == ["create", "install"]
    assert not environment.UNFINISHED.exists()


def test_too_little_space_is_reported_before_anything_is_created(environment, monkeypatch):
    monkeypatch.setenv("SPACE_GB", "999999")
    with pytest.raises(environment.Trouble, match=r"GB free; the environment needs about 999999 GB .* SPACE_GB=3"):
        environment.make_environment()
    assert not environment.VENV.exists()


def test_the_message_about_an_old_python_shows_how_to_choose_another(environment, monkeypatch):
    monkeypatch.setattr(environment, "sys", SimpleNamespace(version_info=(3, 9, 1), executable="python3"))
    monkeypatch.setattr(environment, "version_of", lambda python: None)
    with pytest.raises(
        environment.Trouble, match=r"Python 3\.9 is too old: 3\.11 or newer .*make run PYTHON=python3\.12"
    ):
        environment.use_new_enough_python()


def test_a_missing_venv_module_names_the_package(environment, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(environment.Trouble, match=r"apt-get install python3\.\d+-venv"):
        environment.check_venv_module()


def test_a_taken_port_names_the_next(environment, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        monkeypatch.setenv("HOST", "localhost")
        with pytest.raises(
            environment.Trouble, match=rf"Port {port} on localhost is in use.* make run PORT={port + 1}"
        ):
            environment.address()
    assert environment.address() == ("localhost", port)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"PORT": "abc"}, "PORT=abc is not a port"),
        ({"PORT": "70000"}, "PORT=70000 is not a port"),
        ({"HOST": "192.0.2.200"}, r"HOST=192\.0\.2\.200 is not an address of this machine"),
    ],
)
def test_an_impossible_address_is_refused(environment, monkeypatch, settings, message):
    monkeypatch.setenv("PORT", "8599")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(environment.Trouble, match=message):
        environment.address()


def test_who_can_reach_the_app_is_shown_before_it_starts(environment, monkeypatch):
    monkeypatch.delenv("KD_HOSTS", raising=False)
    assert environment.where_it_is("localhost", 8501) == ["Distillation Explorer: http://localhost:8501"]
    assert environment.where_it_is("::1", 8501) == ["Distillation Explorer: http://[::1]:8501"]
    monkeypatch.setattr(environment, "network_address", lambda: "192.0.2.7")
    monkeypatch.setattr(environment.socket, "gethostname", lambda: "lab")
    monkeypatch.setenv("KD_HOSTS", "kd.example.org")
    assert environment.where_it_is("0.0.0.0", 8501) == [
        "Distillation Explorer: http://localhost:8501",
        "For others on this network: http://192.0.2.7:8501 or http://lab:8501",
        "Also as (KD_HOSTS): kd.example.org",
        "Everyone who can reach this address can watch runs, read results and upload photos to their own view.",
        "Only the operator can start, change and delete runs: enter the passcode under Watching, at the top of a page.",
        "Passcode: as set in KD_PASSCODE or .streamlit/secrets.toml",
        "Read and written are the folders of data, runs and assets; KD_ALLOW=/a/folder allows more.",
    ]
    assert "Passcode: abcd (a new one each start; to choose it: KD_PASSCODE=...)" in environment.where_it_is(
        "0.0.0.0", 8501, "abcd"
    )


def test_a_passcode_is_made_where_the_server_needs_one_and_has_none(environment, monkeypatch, tmp_path):
    monkeypatch.delenv("KD_HOSTS", raising=False)
    monkeypatch.delenv("KD_PASSCODE", raising=False)
    monkeypatch.setattr(environment, "SECRETS", tmp_path / "secrets.toml")
    assert environment.new_passcode("localhost") == ""
    made = {environment.new_passcode("0.0.0.0") for _ in range(5)}
    assert len(made) == 5
    assert all(len(each) == 14 for each in made)
    monkeypatch.setenv("KD_PASSCODE", "my own")
    assert environment.new_passcode("0.0.0.0") == ""
    monkeypatch.setenv("KD_PASSCODE", "1234")
    with pytest.raises(environment.Trouble, match="KD_PASSCODE has 4 characters; choose at least 6"):
        environment.new_passcode("0.0.0.0")
    monkeypatch.delenv("KD_PASSCODE")
    (tmp_path / "secrets.toml").write_text('KD_PASSCODE = "from the file"\n')
    assert environment.new_passcode("0.0.0.0") == ""


def test_the_passcode_follows_the_same_rules_as_in_the_app(environment):
    assert (environment.PASSCODE, environment.SHORTEST_PASSCODE, environment.LETTERS) == (
        passcode.VARIABLE,
        passcode.SHORTEST,
        passcode.LETTERS,
    )


@pytest.mark.parametrize(
    "output, message",
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "The disk is full"),
        (
            "WARNING: Retrying ... NewConnectionError ...\nERROR: No matching distribution found for torch",
            "is this machine online",
        ),
        ("ERROR: No matching distribution found for torch==2.15.0", "Another Python may work"),
        ("ERROR: Failed to build something", "pip could not install the packages: ERROR: Failed to build something"),
    ],
)
def test_an_error_of_pip_becomes_one_line_with_its_fix(environment, output, message):
    explained = environment.explain(output)
    assert message in explained
    assert "\n" not in explained


def test_no_registry_is_named():
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "tools/environment.py", ".ci/run"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        assert "https://" not in text.replace("http://$(HOST)", ""), name


def test_a_benchmark_is_a_file_or_a_package(environment, monkeypatch, tmp_path):
    (tmp_path / "benchmarks" / "train").mkdir(parents=True)
    for name in ("app.py", "train/__main__.py", "train/parts.py"):
        (tmp_path / "benchmarks" / name).touch()
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    with pytest.raises(environment.Trouble, match=r"There is no benchmark 'speed'. Known: app, train\."):
        environment.bench(["speed"])


@pytest.mark.parametrize("requested, run", [([], ["train", "scale"]), (["app"], ["app"])])
def test_unless_one_is_named_the_benchmarks_of_speed_are_run(
    environment, monkeypatch, requested: list[str], run: list[str]
):
    began = []

    def pretend(command: list[str]) -> subprocess.CompletedProcess:
        began.append(command[-1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(environment.subprocess, "run", pretend)
    environment.bench(requested)
    assert [name for name in began if name.startswith("benchmarks.")] == [f"benchmarks.{name}" for name in run]
    assert any(name.endswith("requirements-bench.txt") for name in began) == ("train" in run)
