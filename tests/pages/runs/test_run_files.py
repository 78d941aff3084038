"""Reports, exports and imports on the page are the operator's."""

import io
import shutil
import zipfile

import pytest

from kdcore.errors import NotAllowed, UserError
from kdcore.paths import ASSETS
from pages.parts import engine

RECORDING = next(path for path in (ASSETS / "runs").iterdir() if path.is_dir())


@pytest.fixture
def run_id(runner):
    shutil.copytree(RECORDING, runner.store.root / RECORDING.name)
    return RECORDING.name


def labels(at):
    return [each.label for each in at.get("download_button")]


def test_the_operator_downloads_a_report_and_a_folder_and_imports_one(run_id, runner, open_page, monkeypatch):
    at = open_page("runs.py", run=run_id)
    assert not at.exception
    assert {"Report (one HTML page)", "Folder (ZIP)"} <= set(labels(at))
    raw = engine_call(monkeypatch, engine.export_run, run_id, weights=False)
    assert f"{run_id}/recipe.yaml" in zipfile.ZipFile(io.BytesIO(raw)).namelist()
    runner.store.delete(run_id)
    at = open_page("runs.py")
    uploader = next(each for each in at.file_uploader if each.label == "Folder of a run (ZIP)")
    uploader.set_value(("run.zip", raw, "application/zip")).run()
    assert not at.exception
    assert runner.store.ids() == [run_id]
    assert at.query_params["run"] in (run_id, [run_id])


def test_a_file_that_is_no_run_says_why(run_id, open_page, runner):
    at = open_page("runs.py")
    uploader = next(each for each in at.file_uploader if each.label == "Folder of a run (ZIP)")
    uploader.set_value(("x.zip", b"PK no", "application/zip")).run()
    assert "x.zip is no zip file, or a damaged one" in at.error[0].value
    assert runner.store.ids() == [run_id]


def test_a_download_is_made_for_the_visit_that_was_offered_it(run_id, open_page, monkeypatch):
    from pages.parts.roles import role

    offered = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, made, *_, **__: offered.update({label: made}))
    open_page("runs.py", run=run_id)
    monkeypatch.setattr(role, "is_operator", lambda: bool(role.visit()))  # Streamlit makes it outside of pages
    assert not role.visit()
    for label in ("Report (one HTML page)", "Folder (ZIP)", "Recipe (YAML)"):
        assert offered[label]()


def engine_call(monkeypatch, function, *arguments, **settings):
    from pages.parts.roles import role

    with monkeypatch.context() as now:
        now.setattr(role, "is_operator", lambda: True)
        return function(*arguments, **settings)


def test_large_weights_are_for_the_terminal(run_id, runner, monkeypatch):
    folder = runner.store.folder(run_id) / "checkpoints"
    folder.mkdir()
    (folder / "00000010.safetensors").write_bytes(b"0" * 100)
    monkeypatch.setattr(engine.run_files, "MOST_IN_MEMORY", 50)
    with pytest.raises(UserError, match=f"python -m kdcore runs export {run_id} run.zip --weights"):
        engine_call(monkeypatch, engine.export_run, run_id, weights=True)


def test_a_visitor_has_neither_buttons_nor_functions(run_id, open_page, visiting):
    at = open_page("runs.py", run=run_id)
    assert not {"Report (one HTML page)", "Folder (ZIP)"} & set(labels(at))
    assert not at.file_uploader
    for call in (
        lambda: engine.run_report([run_id]),
        lambda: engine.import_run(b"", "x.zip"),
        lambda: engine.export_run(run_id, weights=False),
    ):
        with pytest.raises(NotAllowed, match="Only the operator can"):
            call()
