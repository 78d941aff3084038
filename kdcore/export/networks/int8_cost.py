"""What INT8 costs a run's student and its twin: their predictions on the test images before and after."""

from kdcore.errors import UserError
from kdcore.export.networks import choosing, evaluating, int8, onnx_graph
from kdcore.export.networks.onnx_session import Session
from kdcore.results.comparison import Outcome
from kdcore.store import Store

NETWORKS = ("student", "twin")


def outcomes(run_id: str, store: Store, at_most: int | None = None) -> tuple[Outcome, Outcome]:
    """The run's student and twin as ONNX files in float32, and in INT8, by onnxruntime on the same test images.

    Both are calibrated on the same validation images.

    Raises:
        UserError: the run has no twin, has not ended, or its data are not here.
    """
    forms = {name: choosing.chosen(f"run:{run_id}/{name}", store) for name in NETWORKS}
    data = forms["student"].data
    if data is None:
        raise UserError(f"The data of run {run_id} cannot be used: {forms['student'].why}")
    images, calibrating = evaluating.images_of(data, at_most), int8.calibration(data)
    whole = {name: onnx_graph.exported(form.network).model for name, form in forms.items()}
    small = {name: int8.quantised(model, calibrating) for name, model in whole.items()}
    seed = store.recipe(run_id).seeds[0]
    before, after = (
        {name: evaluating.logits(Session(model.SerializeToString()), images) for name, model in models.items()}
        for models in (whole, small)
    )
    return evaluating.outcome(before, images, seed), evaluating.outcome(after, images, seed)
