"""Of sections one is open, and nothing of the one before stands under its name while it is computed."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from pages.parts import sections

    picked = st.segmented_control("Show", ["One", "Two"], default="One", required=True)
    with sections.place(["One", "Two"], picked):
        st.markdown(f"This is {picked}.")


def test_each_section_has_a_place_of_its_own_and_the_others_are_empty():
    at = AppTest.from_function(page).run()
    first = places(at)
    at.segmented_control[0].set_value("Two").run()
    assert (first, places(at)) == ({1: "This is One."}, {2: "This is Two."})


def places(at: AppTest) -> dict[int, str]:
    """Position in the page -> the text there."""
    return {i: block.markdown[0].value for i, block in at.main.children.items() if getattr(block, "markdown", None)}
