"""`delete` on the command line: what went, what stays, and what would."""

from __future__ import annotations

import pytest

from nbpipe.errors import BadValueError, ConflictError, NotFoundError


def test_runs_are_renamed_and_deleted_and_what_they_made_stays(ask, two_runs):
    renamed = ask(f"runs rename {two_runs['first']} baseline")
    would = ask("runs delete baseline --dry-run")
    deleted = ask("runs delete baseline")

    assert renamed.text.endswith("is now named baseline.")
    assert would.text.startswith("Run baseline would be deleted; 2 artifact versions made by it stay; ")
    assert deleted.text.startswith("Run baseline is deleted; ")
    assert [(one["id"][:8], one["name"]) for one in deleted.rows["deleted"]] == [(two_runs["first"], "baseline")]
    assert [row["id"][:8] for row in ask("runs list").rows] == [two_runs["second"][:8]]
    assert len(ask("artifact list").rows) == 3


def test_what_is_in_production_is_deleted_only_with_force(ask, two_runs):
    ask("model promote m@1 production")

    with pytest.raises(ConflictError, match="m@1, which is in production"):
        ask("artifact delete total@1")

    assert [one["name"] for one in ask("artifact delete total@1 --force").rows["deleted"]] == ["total@1"]


def test_a_pipeline_is_deleted_with_its_runs_if_that_is_insisted_on(ask, two_runs):
    with pytest.raises(ConflictError, match="2 runs would go with it"):
        ask("pipeline delete training")

    ask("pipeline delete training --force")

    assert ask("runs list").rows == ask("pipeline list").rows == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("runs delete nothing", NotFoundError),
        ("artifact delete numbers", BadValueError),
        ("artifact delete numbers@99", NotFoundError),
        ("pipeline delete nothing", NotFoundError),
        ('runs rename "../../x<script>" y', NotFoundError),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_deleted(ask, two_runs, line, error):
    with pytest.raises(error):
        ask(line)

    assert len(ask("runs list").rows) == 2
    assert len(ask("artifact list").rows) == 3


def test_what_is_named_twice_is_deleted_and_told_once(ask, two_runs):
    first = two_runs["first"]

    deleted = ask(f"runs delete {first} {first[:7]}")

    assert [one["id"][:8] for one in deleted.rows["deleted"]] == [first]
    assert deleted.text.startswith("Run ")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("runs delete {first}", "runs list"),
        ("artifact delete numbers@1", "artifact list"),
        ("pipeline delete training --force", "pipeline list"),
        ("model delete m@1", "model show m"),
        ("model delete m --all", "model list"),
        ("snapshot delete nightly", "snapshot list"),
        ("tag delete t", "tag list"),
    ],
    ids=lambda text: text.partition(" ")[0],
)
def test_every_delete_says_beforehand_what_it_would_do_and_answers_alike(ask, two_runs, line, left):
    ask("snapshot create flow.py --name nightly")
    line, before = line.format(**two_runs), ask(left).rows

    would = ask(f"{line} --dry-run")
    unchanged = ask(left).rows
    deleted = ask(line)

    assert " would be deleted" in would.text
    assert unchanged == before
    assert ask(left).rows != before
    assert would.rows == {"deleted": [], "dependents": deleted.rows["dependents"]}
    assert [set(one) for one in deleted.rows["deleted"]] == [{"id", "name"}]


@pytest.mark.parametrize("line", ["model delete m", "model delete m@1 --all"])
def test_a_dry_run_refuses_what_the_command_refuses(ask, two_runs, line):
    for whole in (line, f"{line} --dry-run"):
        with pytest.raises(BadValueError, match=r"say which version|name the model"):
            ask(whole)
