"""The two parts of the soft-label loss on real outputs, and how plain distillation weights the second."""

import numpy as np
import streamlit as st

from pages.parts.formatting import percent
from pages.parts.methods import charts, test_outputs


@st.fragment
def show() -> None:
    st.subheader("The two parts of the loss", anchor=False)
    st.markdown(
        "One part compares the probability of the target, the other the ranking of the other classes, which carries the class "
        "similarity. In plain distillation a confident :violet[teacher] gives the second part a small weight."
    )
    if (chosen := test_outputs.choose()) is None:
        return
    outputs, temperature, version = chosen
    found = test_outputs.over_temperatures("decoupled", outputs, version)
    names = {"target": "target against the rest", "others": "among the other classes"}
    charts.legend(list(names.values()))
    left, right = st.columns(2, gap="large")
    with left:
        lines = {name: found[part] for part, name in names.items()}
        charts.curves(lines, test_outputs.CURVE, temperature, "Each part × τ², nats")
    with right:
        lines = {"weight": found["weight"]}
        charts.curves(lines, test_outputs.CURVE, temperature, "Weight of the second part in kd", first=1)
    weight = float(np.interp(temperature, test_outputs.CURVE, found["weight"]))
    st.caption(
        f"At temperature {temperature:g} the teacher's probability of the target is {percent(1 - weight)} on average, so `kd` weights the "
        f"other classes by {weight:.2g}. With `others_weight` 8 this method gives them {8 / weight:,.0f} times that weight."
    )
