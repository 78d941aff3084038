"""The interface from the pages to the engine. Pages take nothing else of kdcore but plain data.

Here it is decided what a visit may do: every function is marked `operators` or `visitors`, and `runner`, `store`, `studies` and
`inspector` give a visitor objects that refuse all but the methods listed in `roles/visitors`. What is drawn on a page protects nothing.

Most modules of the engine load torch, so they are imported on first use. Tests replace `process.process_runner`.
"""

from kdcore.checks.findings import Finding, Remedy, TeacherCheck
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

__all__ = [
    "Cost",
    "Finding",
    "Remedy",
    "Runner",
    "TeacherCheck",
    "accuracy_now",
    "bundled",
    "check_data",
    "check_settings",
    "check_teacher",
    "choices",
    "conditions",
    "data_classes",
    "estimate",
    "evaluable",
    "evaluation_refusal",
    "export_test_set",
    "families",
    "findings",
    "folder_report",
    "full_evaluation",
    "heatmap_sensitivity",
    "images_of_test_set",
    "inspector",
    "kept_of_run",
    "kept_outcomes",
    "layer_similarity",
    "methods",
    "preview",
    "process_runner",
    "quick_evaluation",
    "read_upload",
    "refusal",
    "runner",
    "soft_labels",
    "store",
    "student_names",
    "studies",
    "survey",
    "teacher_check_is_quick",
    "test_image",
    "test_outputs",
    "test_sets",
    "trial",
    "without_teacher",
]
