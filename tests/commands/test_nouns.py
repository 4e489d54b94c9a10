"""Runs, pipelines, models, artifacts, tags and the catalog: asked one after another about what two runs left."""

from __future__ import annotations

import json
import re

import pytest

from nbpipe.commands.dispatch import answer
from nbpipe.commands.sources import load_source
from nbpipe.errors import BadValueError, ConflictError, NbpipeError, NotFoundError
from nbpipe.widgets.opening import widget_for

QUESTIONS = [
    "runs list",
    "runs show {second}",
    "runs compare {first} {second}",
    "pipeline list",
    "pipeline show training",
    "pipeline show flow.py",
    "snapshot list",
    "snapshot show nightly",
    "model list",
    "model show m",
    "model show m@1",
    "model history m",
    "artifact list",
    "artifact show total",
    "artifact lineage total@1",
    "tag list",
    "catalog",
    "catalog check",
    'catalog query "select * from runs"',
]
NASTY = [
    "日本語",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "a'b",
    "'; drop table runs; --",
    "x" * 3000,
    "%s{0}",
    "a@b@c",
]


def test_every_question_is_answered_as_text_as_html_and_as_json(ask, two_runs):
    for question in QUESTIONS:
        line = question.format(**two_runs)
        shown, plain = ask(line), ask(f"{line} --json")

        assert shown.text.strip()
        assert shown.bundle.html.startswith("<")
        assert json.loads(plain.text) is not None, line


def test_times_in_json_are_iso_8601_with_their_zone(ask, two_runs):
    started = json.loads(ask("runs list --json").text)[0]["started"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", started)


def test_runs_are_filtered_by_what_they_bear_and_how_they_did(ask, two_runs):
    second = [two_runs["second"]]

    def ids(line):
        return [row["id"][:8] for row in ask(line).rows]

    assert ids("runs list") == [two_runs["second"], two_runs["first"]]
    assert ids("runs list --limit 1") == second
    assert ids("runs list --tag second --tag t") == second
    assert ids('runs list --where "total > 2"') == second
    assert ids("runs list --status failed") == []
    assert ids("runs list --pipeline nothing") == []
    assert ids("runs list --snapshot nightly") == []


def test_a_comparison_says_only_what_differs_unless_all_is_asked_for(ask, two_runs):
    line = "runs compare {first} {second}".format(**two_runs)

    came, everything = ask(line), ask(f"{line} --all")

    assert came.rows["parameters"] == {"rate": [0.1, 0.5]}
    assert came.rows["metrics"] == {"total": [1.0, 5.0], "evaluation.total": [1.0, 5.0]}
    assert came.rows["tags"] == {"latest": [False, True], "second": [False, True]}
    assert everything.rows["parameters"] == {"n": [5, 5], "rate": [0.1, 0.5]}
    assert "· n " in everything.text
    assert "· n " not in came.text
    assert came.widget == "RunComparison"


def test_three_runs_stand_in_three_columns(ask, two_runs):
    third = ask("run flow.py --set rate=0.9").record.id[:8]

    said = ask("runs compare {first} {second} {third}".format(third=third, **two_runs)).text

    assert re.search(r"{first} +{second} +{third}".format(third=third, **two_runs), said)
    assert re.search(r"rate +0\.1 +0\.5 +0\.9", said)


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        ("{first}", BadValueError, "needs two runs or more"),
        ("", BadValueError, "missing argument"),
        ("{first} {second} {first}", BadValueError, "named twice"),
        ("{first} nothing-like-it", NotFoundError, "No run is named 'nothing-like-it'"),
    ],
    ids=["one", "none", "twice", "unknown"],
)
def test_runs_that_cannot_be_compared_are_refused_in_a_line(ask, two_runs, names, error, said):
    with pytest.raises(error, match=said) as refused:
        ask(f"runs compare {names}".format(**two_runs))

    assert len(str(refused.value).splitlines()) == 1


def test_a_run_that_died_is_shown_with_the_steps_it_did_not_reach(ask):
    with pytest.raises(NbpipeError):
        ask("run trouble.py:bad")
    failed = ask("runs list --status failed").rows[0]["id"]

    shown = ask(f"runs show {failed}").text

    assert "✗ failed" in shown
    assert "no <b>good</b>" in shown
    assert "– skipped" in shown


def test_a_defined_pipeline_is_shown_from_its_source_and_a_recorded_one_from_its_newest_run(ask, two_runs, project):
    defined = ask("pipeline show flow.py")
    (project / "flow.py").unlink()
    recorded = ask("pipeline show training")

    assert defined.rows["edges"] == [["load", "total"]]
    assert [one["name"] for one in defined.rows["parameters"]] == ["n", "rate"]
    assert recorded.rows["runs"] == 2
    assert two_runs["second"] in recorded.text


def test_a_notebooks_own_pipeline_is_shown_unasked(project, notebook):
    training = load_source("flow.py")

    came = answer("pipeline show", notebook({"training": training}, own=training))

    assert (came.rows["name"], came.widget) == ("training", "PipelineView")


def test_a_version_is_promoted_and_its_way_is_kept(ask, two_runs):
    moved = ask("model promote m@1 production --note good")
    with pytest.raises(ConflictError):
        ask("model promote m@2 production")
    ask("model promote m production --force")

    assert moved.text == "m@1 moved from none to production."
    assert [(row["number"], row["to_stage"]) for row in ask("model history m").rows] == [
        (2, "production"),
        (1, "archived"),
        (1, "production"),
    ]
    assert ask("model show m@production").rows["number"] == 2
    assert "good" in ask("model show m").text


def test_promoting_to_no_stage_asks_which_and_in_a_notebook_shows_the_board(ask, two_runs, notebook):
    with pytest.raises(BadValueError, match="staging, production"):
        ask("model promote m")

    assert answer("model promote m", notebook({})).widget == "PromoteModel"


def test_what_is_said_with_a_promotion_to_no_stage_is_on_the_board_or_refused(ask, two_runs, notebook):
    line = 'model promote m@1 --gate "total > 0" --note "better on rare classes"'

    board = widget_for(answer(line, notebook({})), static=True)

    assert (board.gates, board.note) == (("total > 0",), "better on rare classes")
    for flag in ("--force", "--replace"):
        with pytest.raises(BadValueError, match=f"{flag} takes a stage"):
            answer(f"model promote m@1 {flag}", notebook({}))


def test_a_mistyped_stage_is_answered_with_the_nearest(ask, two_runs):
    with pytest.raises(BadValueError, match="Did you mean 'production'"):
        ask("model promote m@1 prodction")


def test_the_lineage_names_what_was_read_and_who_reads_it(ask, two_runs):
    came = ask("artifact lineage numbers@1")

    assert came.rows["made_by"]["step"] == "load"
    assert [use["outputs"]["total"]["artifact"] for use in came.rows["used_by"]] == ["total@2", "total@1"]
    assert "went into" in came.text
    deep = ask("artifact lineage total@1 --up all --down 0")
    assert {one["name"] for one in deep.rows["versions"]} == {"numbers", "total"}
    for bad in ("--up much", "--down -1", "--up ''"):
        with pytest.raises(BadValueError):
            ask(f"artifact lineage total@1 {bad}")


def test_artifacts_are_filtered_by_name_type_and_run(ask, two_runs):
    def labels(line):
        return [f"{row['name']}@{row['version']}" for row in ask(line).rows]

    assert labels("artifact list --name total") == ["total@2", "total@1"]
    assert labels("artifact list --type list") == ["numbers@1"]
    assert labels(f"artifact list --run {two_runs['second']} --name total") == ["total@2"]


def test_tags_are_put_on_several_things_renamed_and_taken_off(ask, two_runs):
    added = ask(f"tag add v1 reviewed --run {two_runs['first']} --artifact total@1 --model m@1 --pipeline training")
    ask("tag rename v1 v2")
    removed = ask(f"tag remove v2 --run {two_runs['first']}")
    deleted = ask("tag delete v2")

    assert [target["kind"] for target in added.rows["targets"]] == [
        "run",
        "artifact_version",
        "model_version",
        "pipeline",
    ]
    assert removed.rows["removed"] == 1
    assert [one["count"] for one in deleted.rows["dependents"]] == [3]
    assert "v2" not in [row["name"] for row in ask("tag list").rows]


def test_an_exclusive_tag_says_from_whom_it_was_taken(ask, two_runs):
    ask(f"tag add best --exclusive --run {two_runs['first']}")

    came = ask(f"tag add best --run {two_runs['second']}")

    assert f"best was taken from {two_runs['first']}" in came.text


def test_tags_of_things_are_shown_and_in_a_notebook_edited(ask, two_runs, notebook):
    came = ask(f"tag show --run {two_runs['second']} --artifact total@2")

    assert {(row["kind"], row["name"], row["exclusive"]) for row in came.rows} >= {
        ("run", "latest", True),
        ("run", "t", False),
    }
    assert "latest" in came.text
    assert answer(f"tag show --run {two_runs['second']}", notebook({})).widget == "TagEditor"


def test_a_history_of_a_tag_says_who_had_it_when_and_to_whom_it_went(ask, two_runs):
    came = ask("tag history latest")

    assert [row["id"][:8] for row in came.rows] == [two_runs["second"], two_runs["first"]]
    assert [row["lost"] is None for row in came.rows] == [True, False]
    assert came.rows[1]["lost_to"] == came.rows[0]["label"]
    with pytest.raises(NotFoundError, match="'latest'"):
        ask("tag history lates")


@pytest.mark.parametrize("verb", ["add", "remove", "show"])
def test_a_tag_on_nothing_is_asked_on_what(ask, verb):
    with pytest.raises(BadValueError, match="--run, --artifact"):
        ask(f"tag {verb} x" if verb != "show" else "tag show")


def test_a_query_tells_columns_of_one_name_apart_and_says_where_it_was_cut(ask, two_runs):
    came = ask('catalog query --limit 1 "select id, id, 1 as n from runs"')

    assert list(came.rows[0]) == ["id", "id_2", "n"]
    assert came.note == "There are more than 1 rows; --limit shows more of them."


def test_a_query_may_be_written_without_quotation_marks(ask, two_runs):
    assert ask("catalog query select count(*) as n from runs").rows == [{"n": 2}]


@pytest.mark.parametrize("sql", ["delete from runs", "select nope", "select 1; select 2", "'; drop", ""])
def test_a_query_that_is_no_select_is_refused(ask, sql):
    with pytest.raises(BadValueError):
        ask(f'catalog query "{sql}"')


def test_the_catalog_is_published_and_rebuilt_with_nothing_lost(ask, two_runs):
    ask("catalog publish")
    rebuilt = ask("catalog rebuild")

    assert rebuilt.rows["damaged"] == 0
    assert len(ask("runs list").rows) == 2


def test_a_damaged_log_is_found_with_its_cure(ask, workspace):
    ask("tag list")
    (workspace.logs / "9-somebody.log").write_bytes(b"no line of ours\n")

    came = ask("catalog check")

    assert came.exit_code == 5
    assert "damaged" in came.text
    assert came.rows[0]["cure"]


@pytest.mark.parametrize(
    "line", ["runs show", "model show", "artifact show", "snapshot show", "artifact lineage", "pipeline show"]
)
def test_whatever_name_is_asked_for_is_answered_in_two_lines(ask, line):
    for name in NASTY:
        with pytest.raises(NbpipeError) as caught:
            answer(f"{line} {json.dumps(name, ensure_ascii=False)}")

        assert isinstance(caught.value, NotFoundError | BadValueError)
        assert len(str(caught.value).splitlines()) <= 2


def test_nasty_names_come_back_as_they_were_and_escaped_in_html(ask, two_runs):
    for name in ("日本語", "<script>alert(1)</script>", "a'b", "%s{0}", "x y"):
        ask(f'tag add "{name}" --run {two_runs["first"]}')
        listed = ask("tag list")

        assert name in [row["name"] for row in listed.rows]
        assert "<script>" not in listed.bundle.html


def test_an_empty_workspace_has_empty_listings(ask):
    for line in ("runs list", "pipeline list", "snapshot list", "model list", "artifact list", "tag list"):
        came = ask(line)

        assert came.rows == []
        assert "(none)" in came.text
