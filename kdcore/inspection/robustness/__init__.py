"""Networks on perturbed test sets, as the Robustness page draws them: references and plain data in, numpy out.

A *network* is a reference as `models.load` takes it: a bundled model, `run:ID/student` or a .safetensors file. A *condition* is a
text, `clean` or a test set at a strength such as `patch_scramble@4`. A *role* is `teacher`, `student` or `twin`.

Everything that raises, raises UserError with a sentence for the page: no such network, set or strength; networks of different
data or classes; images or a file that a set needs are not on this machine. Networks of several image sizes get the same images,
resized for each.
"""

from kdcore.inspection.robustness.choosing import (
    conditions,
    default_images,
    families,
    networks,
    refusal,
    test_sets,
)
from kdcore.inspection.robustness.comparing import as_csv, sensitivity, similarity, summary, table
from kdcore.inspection.robustness.evaluating import assess, kept, of_run
from kdcore.inspection.robustness.results import (
    Assessment,
    Family,
    Filter,
    Gallery,
    Live,
    Network,
    Preview,
    Progress,
    Row,
    Sensitivity,
    SetCard,
    Shown,
    Similarity,
    Values,
    Which,
)
from kdcore.inspection.robustness.showing import export, gallery, live, live_ahead, preview

__all__ = [
    "Assessment", "Family", "Filter", "Gallery", "Live", "Network", "Preview", "Progress", "Row", "Sensitivity", "SetCard", "Shown",
    "Similarity", "Values", "Which", "as_csv", "assess", "conditions", "default_images", "export", "families", "gallery", "kept",
    "live", "live_ahead", "networks", "of_run", "preview", "refusal", "sensitivity", "similarity", "summary", "table", "test_sets",
]  # fmt: skip
