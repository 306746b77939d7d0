import pytest
from hypothesis import given
from hypothesis import strategies as st

from singletrack.errors import InvalidParameters
from singletrack.locks import MAX_LENGTH, qualify, render


def test_a_template_is_filled_from_the_parameters():
    assert render("reports/{month}/{n}", {"month": "2026-10", "n": 3}) == "reports/2026-10/3"


def test_a_template_that_names_no_parameter_says_which():
    with pytest.raises(InvalidParameters, match="'month'"):
        render("reports/{month}", {})


@pytest.mark.parametrize(
    "template", ["{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{0}", "{", "a}", "{a"]
)
def test_a_template_can_only_name_parameters(template):
    with pytest.raises(InvalidParameters):
        render(template, {"a": "x"})


def test_a_key_belongs_to_its_namespace():
    assert qualify("team", "default") == "team/default"


@pytest.mark.parametrize("key", ["", "a\nb", "a\x00b", "x" * (MAX_LENGTH + 1)])
def test_a_key_the_ledger_cannot_show_is_refused(key):
    with pytest.raises(InvalidParameters):
        qualify("default", key)


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=20)))
def test_values_are_never_read_as_templates(values):
    template = "/".join(f"{{{name}}}" for name in values)
    assert render(template, values) == "/".join(values.values())
