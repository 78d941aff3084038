"""The interface from the pages to the engine. Pages take nothing else of kdcore but plain data.

Here it is decided what a visit may do: every function is marked `operators` or `visitors`, and `runner`, `store`, `studies` and
`inspector` give a visitor objects that refuse all but the methods listed in `roles/visitors`. What is drawn on a page protects nothing.

Most modules of the engine load torch, so they are imported on first use. Tests replace `process.process_runner`.
"""

from kdcore.checks.findings import Finding, Remedy, TeacherCheck
from pages.parts.engine.batches import batch_of_step
from pages.parts.engine.camera import camera_frame
from pages.parts.engine.method_cards import (
    methods,
    soft_labels,
    test_outputs,
    trial,
)
from pages.parts.engine.networks import (
    bundled,
    choices,
    inspector,
    read_upload,
    survey,
    test_image,
    without_teacher,
)
from pages.parts.engine.process import (
    Cost,
    Runner,
    process_runner,
    refusal,
    runner,
    store,
    studies,
from pages.parts.engine.plugins import missing_plugins, plugin_problems
from pages.parts.engine.own_files import class_names, import_weights, imported_weights, remove_weights, unpack_images
)
from pages.parts.engine.recipes import (
    check_data,
    check_settings,
    check_teacher,
    data_classes,
    estimate,
    findings,
    folder_report,
    preview,
    student_names,
    teacher_check_is_quick,
)
from pages.parts.engine.robustness import (
    accuracy_now,
    conditions,
    evaluable,
    evaluation_refusal,
    export_test_set,
    families,
    full_evaluation,
    heatmap_sensitivity,
    images_of_test_set,
    kept_of_run,
    kept_outcomes,
    layer_similarity,
    quick_evaluation,
    test_sets,
)
from pages.parts.engine.run_files import export_run, import_run, run_report, weights_size
from pages.parts.engine.shared_photos import remove_shared_photo, share_photo, shared_photo, shared_photos
from pages.parts.engine.stage import (
    add_view,
    ask_for_control,
    control_requests,
    decline_control,
    delete_view,
    edit_view,
    grant_control,
    move_view,
    present_from_here,
    take_control_back,
    views,
)

__all__ = [
    "Cost",
    "Finding",
    "Remedy",
    "Runner",
    "TeacherCheck",
    "accuracy_now",
    "add_view",
    "ask_for_control",
    "batch_of_step",
    "bundled",
    "camera_frame",
    "check_data",
    "check_settings",
    "check_teacher",
    "choices",
    "conditions",
    "control_requests",
    "data_classes",
    "decline_control",
    "delete_view",
    "edit_view",
    "estimate",
    "evaluable",
    "evaluation_refusal",
    "export_run",
    "export_test_set",
    "families",
    "findings",
    "folder_report",
    "full_evaluation",
    "grant_control",
    "heatmap_sensitivity",
    "images_of_test_set",
    "import_run",
    "inspector",
    "kept_of_run",
    "kept_outcomes",
    "layer_similarity",
    "methods",
    "move_view",
    "present_from_here",
    "preview",
    "process_runner",
    "quick_evaluation",
    "read_upload",
    "refusal",
    "remove_shared_photo",
    "run_report",
    "runner",
    "share_photo",
    "shared_photo",
    "shared_photos",
    "soft_labels",
    "missing_plugins",
    "store",
    "student_names",
    "studies",
    "survey",
    "take_control_back",
    "teacher_check_is_quick",
    "test_image",
    "test_outputs",
    "test_sets",
    "trial",
    "views",
    "weights_size",
    "without_teacher",
]
