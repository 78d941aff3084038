import pytest

from tools.generated import replaced


def test_only_what_is_between_the_comments_is_replaced():
    document = "before\n<!-- begin -->\n\nold\n\n<!-- end -->\nafter\n"
    assert replaced(document, "<!-- begin -->", "new") == document.replace("old", "new")


@pytest.mark.parametrize("document", ["no comments", "<!-- begin -->\nno end"])
def test_a_document_without_the_comments_is_not_written(document):
    with pytest.raises(ValueError, match="needs the lines <!-- begin --> and <!-- end -->"):
        replaced(document, "<!-- begin -->", "new")
