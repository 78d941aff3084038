"""Export on a finished run's page: its networks as files for other programs, and the table of what deploying them costs."""

from typing import Any

import streamlit as st

from kdcore.errors import UserError
from kdcore.recipe import Recipe
from kdcore.store import RunState
from pages.parts import engine, formatting, palette
from pages.parts.roles import role
from pages.parts.runs import pruning

KINDS = {"onnx": "ONNX", "int8": "ONNX INT8", "hub": "Folder (timm, hub)"}
HELP = (
    "ONNX runs without this project, in onnxruntime: images in [0, 1] in, logits out. INT8 is about a quarter of its size, calibrated "
    'on validation images. The folder is one that `timm.create_model("local-dir:...")` opens, with a model card.'
)
MADE = "exported-network"  # in the session: what was exported last, to download


def available(run: RunState) -> bool:
    """Whether the networks can be exported, or a table was measured before."""
    if not run.results or run.status != "finished":
        return False
    if role.is_operator() and engine.store().checkpoint(run.id) is not None:
        return True
    return engine.deployment(run.id) is not None


def show(run: RunState, recipe: Recipe) -> None:
    """Files to make and download and a smaller network to prune, for the operator; below them the table."""
    if role.is_operator() and engine.store().checkpoint(run.id) is not None:
        files(run)
        if not run.recorded:
            pruning.show(run, recipe)
    table(run)


def files(run: RunState) -> None:
    """The choice of a network and a format, and what was made of it."""
    networks = [name for name in palette.NETWORKS if name in run.results]
    network_place, kind_place, licence_place = st.columns([2, 3, 2], vertical_alignment="bottom")
    network = network_place.selectbox(
        "Network", networks, index=networks.index("student"), format_func=str.capitalize, key="export-network",
    )  # fmt: skip
    kind = kind_place.segmented_control(
        "Format", list(KINDS), default="onnx", format_func=KINDS.__getitem__, key="export-format", help=HELP, required=True,
    )  # fmt: skip
    licence = "unknown"
    if kind == "hub":
        named = licence_place.text_input(
            "Licence of the weights", placeholder="mit, cc-by-4.0, ...", max_chars=60, key="licence"
        )
        licence = named.strip() or licence
    if st.button("Export", icon=":material/output:", key=f"export-{run.id}") and network and kind:
        make(run, network, kind, licence)
    offer(run)


def make(run: RunState, network: str, kind: str, licence: str) -> None:
    st.session_state.pop(MADE, None)
    try:
        with st.spinner(f"Exporting the {network}: written, then checked and measured on the test images ..."):
            st.session_state[MADE] = run.id, engine.export_network(run.id, network, kind, licence)
    except UserError as error:
        st.error(formatting.message(str(error)))


def offer(run: RunState) -> None:
    """The file that was made last, if it is of this run."""
    run_id, made = st.session_state.get(MADE, ("", None))
    if run_id != run.id or made is None:
        return
    for note in made.notes:
        st.markdown(formatting.message(note))
    mime = "application/zip" if made.name.endswith(".zip") else "application/octet-stream"
    st.download_button(
        f"Download {made.name} ({formatting.disk(len(made.content))})", made.content, made.name, mime, type="primary",
        icon=":material/download:", key="download-exported", on_click="ignore",
    )  # fmt: skip


def table(run: RunState) -> None:
    """What deploying costs, as measured last; the operator can measure it."""
    st.markdown("**Worth deploying?**")
    found, about = engine.deployment(run.id), st.empty()
    if found is None:  # above the button; gone when there is a table
        about.caption(
            "Accuracy, file size, operations, latency and memory of teacher, student, twin and student in INT8, all measured as ONNX "
            "files on this machine. Not measured yet."
        )
    if role.is_operator() and not run.recorded and engine.store().checkpoint(run.id) is not None:
        label = "Measure again" if found else "Measure"
        if st.button(label, icon=":material/speed:", key=f"deploy-{run.id}"):
            try:
                with st.spinner("Exporting every network, then accuracy, latency and memory: about a minute ..."):
                    engine.measure_deployment(run.id)
            except UserError as error:
                st.error(formatting.message(str(error)))
            found = engine.deployment(run.id)
    if found is None:
        return
    about.empty()
    with st.container(key="deploy-table"):
        st.table(rows(found), border="horizontal")
    compared = [f"{_title(row)} − student: {row['against']}" for row in found["rows"] if row.get("against")]
    st.markdown("\n".join(f"- {formatting.message(words)}" for words in compared))
    st.caption(formatting.message(conditions(found)))
    for note in found.get("notes", ()):
        st.caption(formatting.message(str(note)))


def rows(found: dict[str, Any]) -> dict[str, list[str]]:
    """Column -> a text for each network."""
    columns: dict[str, list[str]] = {}
    for row in found["rows"]:
        for title, text in cells(row, bool(found.get("gpu"))).items():
            columns.setdefault(title, []).append(text)
    return columns


def cells(row: dict[str, Any], gpu: bool) -> dict[str, str]:
    accuracy = "not measured"
    if row.get("top1") is not None:
        accuracy = f"{100 * row['top1']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
    found = {
        "Network": formatting.as_text(_title(row)),
        "Accuracy (95 % interval)": accuracy,
        "File": f"{row['file_bytes'] / 1e6:.2f} MB",
        "Parameters": formatting.count(row["parameters"]),
        "MACs": formatting.count(row["macs"]),
    }
    for device in ("cpu", *(("gpu",) if gpu else ())):
        for count in ("1", "32"):
            taken = row["latency"].get(device, {}).get(count)
            found[f"{device.upper()}, batch {count}"] = (
                f"{taken['median']:.2f} ({taken['p95']:.2f}) ms" if taken else "-"
            )
    return {**found, "Peak memory": "not measured" if row["memory"] is None else f"{row['memory'] / 2**20:.1f} MiB"}


def _title(row: dict[str, Any]) -> str:
    name = str(row["name"])
    return name[:1].upper() + name[1:]


def conditions(found: dict[str, Any]) -> str:
    """What the figures were measured on."""
    gpu = f" GPU: PyTorch in float32, {found['gpu']}." if found.get("gpu") else ""
    return (
        f"{found['images']:,} test images, the same for all. CPU: onnxruntime {found['onnxruntime']}, "
        f"{found['threads']} thread{'s' if found['threads'] != 1 else ''}, {found['cpu']}; median, in brackets the 95 % quantile.{gpu} Peak memory: growth of a process with onnxruntime alone, up to "
        f"batches of 32. Measured on {found['date']}."
    )
