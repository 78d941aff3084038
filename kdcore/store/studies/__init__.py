"""Studies: `studies/<id>.yaml` holds a study and the id of the run of each of its points; `<id>.report/` its report.

A run's id is stored before its folder exists. So after a crash the file shows which runs are missing, and none is done
twice. The progress of a study is that of its runs. A search adds variants to its file one by one, notes the runs that it
stopped early, and at last that it has ended; `<id>.search` is its log.
"""

from kdcore.store.studies.state import Place, StudyState
from kdcore.store.studies.studies import Studies

__all__ = ["Place", "Studies", "StudyState"]
