"""The two parts of the soft-label loss on real answers: what plain distillation makes of the second."""

import numpy as np
import streamlit as st

from pages.parts.methods import charts
from pages.parts.methods import test_outputs as asked


@st.fragment
def show() -> None:
    st.subheader("Take the loss apart", anchor=False)
    st.markdown(
        "One part says how sure the :violet[teacher] is of the right class, the other how it ranks the rest, which is where "
        "the likeness of classes lies. Plain distillation counts the second the less, the surer the teacher is."
    )
    if (chosen := asked.choose()) is None:
        return
    answers, temperature, version = chosen
    found = asked.over_temperatures("decoupled", answers, version)
    names = {"target": "right class against the rest", "others": "among the other classes"}
    charts.legend(list(names.values()))
    left, right = st.columns(2, gap="large")
    with left:
        lines = {name: found[part] for part, name in names.items()}
        charts.curves(lines, asked.CURVE, temperature, "Each part times τ², nats")
    with right:
        lines = {"weight": found["weight"]}
        charts.curves(lines, asked.CURVE, temperature, "What kd counts the second part with", first=1)
    weight = float(np.interp(temperature, asked.CURVE, found["weight"]))
    st.caption(
        f"At temperature {temperature:g} the teacher gives the right class {1 - weight:.1%} on average, so `kd` counts the other "
        f"classes {weight:.2g} times. With `others_weight` 8 this method counts them {8 / weight:,.0f} times as much."
    )
