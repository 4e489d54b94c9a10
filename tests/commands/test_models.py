"""`nbpipe model`: versions compared, promoted through gates, taken back, renamed, described, deleted."""

from __future__ import annotations

import json

import pytest

from nbpipe.commands.dispatch import completions
from nbpipe.errors import BadValueError, ConflictError, NotFoundError


@pytest.fixture
def versions(ask):
    """Two versions of the model `m`, of which the second is better."""
    ask("run flow.py")
    ask("run flow.py --set rate=0.5")


def test_two_versions_are_compared_by_metrics_parameters_and_data(ask, versions):
    shown, plain = ask("model compare m@1 m@2"), json.loads(ask("model compare m@1 m@2 --json").text)

    assert "★ 5.0" in shown.text
    assert "the code of all steps" in shown.text
    assert plain["parameters"] == [
        {"parameter": "n", "left": 5, "right": 5, "sides": "same"},
        {"parameter": "rate", "left": 0.1, "right": 0.5, "sides": "different"},
    ]
    assert [(one["data"], one["sides"]) for one in plain["data"]] == [("numbers", "same"), ("total", "different")]
    assert plain["code"] == []


def test_a_changed_source_is_told_with_its_lines(ask, versions, project):
    flow = project / "flow.py"
    flow.write_text(flow.read_text().replace("value = sum(numbers) * rate", "value = sum(numbers) * rate + 1"))
    ask("run flow.py")

    (change,) = json.loads(ask("model compare m@1 m@3 --json").text)["code"]

    assert (change["step"], change["said"]) == ("total", "its source changed")
    assert "+    value = sum(numbers) * rate + 1" in change["diff"]


def test_gates_let_a_version_pass_or_refuse_with_both_numbers(ask, versions):
    ask("model promote m@2 production")

    with pytest.raises(ConflictError, match=r"total is 1 and production\.total is 5"):
        ask('model promote m@1 production --replace --gate "total >= production.total"')
    with pytest.raises(BadValueError, match="there are none"):
        ask("model promote m@1 production --replace")
    passed = ask('model promote m@1 production --replace --gate "total < production.total" --gate "total > 0"')

    assert passed.text.startswith("m@1 moved from none to production, and m@2 is archived.")
    assert passed.text.count("✓ passed") == 2
    forced = json.loads(ask('model promote m@2 production --force --gate "total < 0" --json').text)
    assert [(one["gate"], one["passed"]) for one in forced["gates"]] == [("total < 0", False)]
    assert "by force" in ask("model history m").text


def test_a_promotion_is_taken_back_once(ask, versions):
    ask("model promote m@1 production")
    ask("model promote m@2 production --force")

    assert ask("model undo m").text == "m@2 is back in no stage, and m@1 is back in production."
    with pytest.raises(ConflictError, match="undone already"):
        ask("model undo m")


def test_a_version_is_renamed_described_and_deleted_with_what_depends_on_it_told(ask, versions):
    assert ask("model rename m@1 first").text == "m@1 is m@first from now on."
    assert ask('model describe m@first "for May"').text == "m@first: for May"
    assert "for May" in ask("model show m@1").text
    assert ask('model describe m "adds up"').record.description == "adds up"

    told = ask("model delete m@first --dry-run")
    deleted = ask("model delete m@first")

    assert "1 run that worked on it stays" in told.text
    assert deleted.text.startswith("Model version m@first is deleted; ")
    with pytest.raises(NotFoundError):
        ask("model show m@first")
    with pytest.raises(BadValueError, match="say which version"):
        ask("model delete m")
    assert ask("model delete m --all").text.startswith("Model m is deleted; 1 version of m is deleted")
    assert ask("model list --json").text == "[]"


def test_models_are_listed_by_stage_and_metric(ask, versions):
    ask("model promote m@1 staging")

    assert [one.name for one in ask("model list --stage Staging").record] == ["m"]
    assert ask("model list --stage production").record == []
    assert [one.name for one in ask('model list --where "evaluation.total > 2"').record] == ["m"]
    assert ask('model list --stage staging --where "evaluation.total > 2"').record == []


def test_verbs_models_and_stages_complete(ask, versions):
    assert {"compare", "undo", "delete", "describe", "rename"} <= set(completions("model ", 6))
    assert "m@2" in completions("model compare m@", 16)
    assert "production" in completions("model promote m@1 ", 18)
    assert "--gate" in completions("model promote m@1 production --", 31)
