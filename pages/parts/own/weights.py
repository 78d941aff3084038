"""Your own weights: an upload or a file of the server is imported once, and is then a choice like any other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from kdcore.data import datasets
from kdcore.errors import UserError
from kdcore.recipe import DataRecipe, class_list
from pages.parts import engine, formatting
from pages.parts.server.uploads import forget, widget_mb

Take = Callable[[str], None]
LACKS, TURN, DONE = "weights-lack", "weights-turn", "weights-done"  # in the session's state
MODEL, CLASSES = "model", "classes"
TYPED = "Typed below"
NAMED = {MODEL: "its network", CLASSES: "its classes"}
HELP = (
    "Files of torch.save (.pth, .pt, .ckpt, .bin, .pth.tar) or .safetensors; of several, a later one updates an earlier. A "
    "config.json of the hub may lie beside. No code in them is run, in a process of its own."
)


def offer(key: str, actions: Mapping[str, Take], data: Mapping[str, Any] | None = None) -> None:
    """A folded form, and what was imported. actions: label of a button -> what it does with a reference to imported weights.

    data: the form's plain data, whose classes may be those of the weights.
    """
    box = st.expander("Your own weights", icon=":material/upload_file:", key=f"own-weights-{key}", on_change="rerun")
    if box.open:
        with box:
            _form(key, data)
            _kept(key, actions)


def _form(key: str, data: Mapping[str, Any] | None) -> None:
    turn = st.session_state.setdefault(TURN, 0)
    files = st.file_uploader(
        "Weights", accept_multiple_files=True, key=f"weights-files-{key}-{turn}", help=HELP, max_upload_size=widget_mb()
    )
    path = st.text_input(
        "Or a file or folder of this server", key=f"weights-path-{key}-{turn}", placeholder="$KD_DATA/model_best.pth.tar",
        help="Where others can reach the server, only the folders of data, runs and assets and those of KD_ALLOW are read.",
        disabled=bool(files),
    )  # fmt: skip
    given = tuple(file.file_id for file in files) or path.strip()
    lacks: dict[str, int] = (
        st.session_state.get(LACKS, {}) if st.session_state.get(LACKS, {}).get("of") == given else {}
    )
    model = classes = None
    if lacks:
        asked = " and ".join(NAMED[each] for each in NAMED if each in lacks)
        st.info(f"The file does not name {asked}: choose below, then import again.", icon=":material/help:")
    if MODEL in lacks:
        model = _ask_model(key, [file.name for file in files] or [path])
    if CLASSES in lacks:
        classes = _ask_classes(key, lacks[CLASSES], data)
    if st.button("Import", key=f"weights-import-{key}", disabled=not given, icon=":material/download_done:"):
        with st.spinner("Reading the weights …"):
            _import(files, path, given, lacks, model, classes)
    if done := st.session_state.get(DONE):
        st.success(formatting.as_text(done), icon=":material/check:")


def _import(
    files: list[UploadedFile],
    path: str,
    given: object,
    lacks: dict[str, int],
    model: str | None,
    classes: Sequence[str] | None,
) -> None:
    """Import, or note what has to be asked for; the page is redrawn then. Otherwise the reason is shown."""
    st.session_state.pop(DONE, None)
    try:
        kept, imported = engine.import_weights(
            {file.name: file.getvalue() for file in files}, path, model=model, classes=classes
        )
    except UserError as error:
        if (lack := getattr(error, "lacks", "")) and lack not in lacks:
            st.session_state[LACKS] = {**lacks, "of": given, lack: getattr(error, "outputs", 0)}
            st.rerun()
        st.error(formatting.message(str(error)))
        return
    has = f"{imported.classes:,} classes" if imported.classes else "no classifier"
    notes = " ".join(f"{note.rstrip('.')}." for note in imported.notes)
    st.session_state[DONE] = (
        f"{kept.name} is imported: {imported.model}, {has}, {imported.image_size} px. {notes}".strip()
    )
    st.session_state[TURN] += 1  # new fields
    forget(file.file_id for file in files)
    st.session_state.pop(LACKS, None)
    st.rerun()


def _ask_model(key: str, names: Sequence[str]) -> str | None:
    guess = next((found for name in names if (found := _guessed(name))), "")
    typed = st.text_input(
        "Network", guess, key=f"weights-model-{key}-{guess}", placeholder="resnet18",
        help="The file does not say which network its weights belong to: a name of timm, torchvision/NAME or of this project.",
    )  # fmt: skip
    return typed.strip() or None


def _guessed(name: str) -> str:
    """The network whose name a file's name begins with, the longest; empty where there is none."""
    stem = name.replace("\\", "/").rpartition("/")[2].lower()
    for end in range(len(stem), 3, -1):
        if stem[:end] in engine.search_networks(stem[:end])[:1]:
            return stem[:end]
    return ""


def _ask_classes(key: str, outputs: int, data: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    known = _known_classes(outputs, data)
    picked = st.selectbox(
        f"Names of its {outputs:,} classes", [*known, TYPED], key=f"weights-classes-{key}",
        help="The file does not name them. They are in the order of its outputs.",
    )  # fmt: skip
    if picked != TYPED:
        return known[picked]
    text = st.text_area(
        "One name a line, in the order of the outputs", key=f"weights-names-{key}",
        help="Lines may all begin with their numbers, from 0: then the names are in the order of these.",
    )  # fmt: skip
    return class_list.typed(text) or None


def _known_classes(outputs: int, data: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]]:
    """Datasets with so many classes, the form's first."""
    found = {}
    if data is not None:
        try:
            found["Those of the data above"] = engine.class_names(DataRecipe.model_validate(data))
        except ValueError:  # what is wrong with the data is shown by the form
            pass
    for name in datasets.names("drawn", "downloaded"):
        found[f"Those of {datasets.get(name).title}"] = tuple(datasets.get(name).classes)
    return {title: classes for title, classes in found.items() if len(classes) == outputs}


def _kept(key: str, actions: Mapping[str, Take]) -> None:
    for each in engine.imported_weights():
        described = each.described
        has = f"{len(described['classes']):,} classes" if described.get("classes") else "no classifier"
        words = f"{described['model']}, {has}, {described['image_size']} px, {formatting.disk(each.size)}"
        text, buttons = st.columns([3, 2], vertical_alignment="center")
        text.markdown(f"**{formatting.as_text(each.name)}**  \n:small[{formatting.as_text(words)}]")
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            for label, take in actions.items():
                st.button(label, key=f"use-{key}-{label}-{each.name}", on_click=take, args=(each.reference,))
            st.button(
                "Remove", key=f"remove-{key}-{each.name}", type="tertiary", on_click=_remove, args=(each.name,),
                help="Runs keep their results, but recipes that name these weights need others.",
            )  # fmt: skip


def _remove(name: str) -> None:
    st.session_state.pop(DONE, None)
    engine.refusal(engine.remove_weights, name)
