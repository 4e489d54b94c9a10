from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from nbpipe.views.cards import (
    artifact_card,
    model_card,
    model_version_card,
    pipeline_card,
    run_card,
    snapshot_card,
    step_card,
    tag_card,
)
from nbpipe.views.comparison import comparison_card
from nbpipe.views.facts import ArtifactFacts, PipelineFacts, RunFacts, StepFacts
from nbpipe.views.frames import Bundle
from tests.views.facts_full import (
    ENDED,
    RUN_ID,
    STARTED,
    full_artifact,
    full_comparison,
    full_model,
    full_model_version,
    full_pipeline,
    full_run,
    full_snapshot,
    full_step,
    full_tag,
)

TIME = re.compile(r"\d\d:\d\d|\d{4}-\d\d|\b\d+(?:\.\d+)? (?:ms|s|min|h|d)\b")
STABLE = {
    "run": run_card(full_run("word"), stable=True),
    "step": step_card(full_step("word"), stable=True),
    "artifact": artifact_card(full_artifact("word"), stable=True),
    "model version": model_version_card(full_model_version("word"), stable=True),
    "model": model_card(full_model("word"), stable=True),
    "snapshot": snapshot_card(full_snapshot("word"), stable=True),
    "tag": tag_card(full_tag("word"), stable=True),
    "pipeline": pipeline_card(full_pipeline("word"), stable=True),
    "comparison": comparison_card(full_comparison("word"), stable=True),
    "comparison of many": comparison_card(full_comparison("word", 20), stable=True),
}


def all_that_is_said(bundle: Bundle) -> str:
    pictures = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", bundle.html)
    return "\n".join([bundle.text, bundle.html, *(base64.b64decode(picture).decode() for picture in pictures)])


def test_a_run_card_shows_what_a_person_asks_first() -> None:
    run = RunFacts(
        RUN_ID,
        "monday",
        "training",
        "failed",
        STARTED,
        ENDED,
        {"rate": 0.2},
        [StepFacts("train", "failed", "rate 0.1 → 0.2", 64, ["model@3"])],
        tags=["v1"],
        error="ValueError: no",
    )

    card = run_card(run)

    for said in ("training", "monday", RUN_ID, "3 min 4 s", "rate", "0.2", "v1", "ValueError: no", "✗ failed"):
        assert said in card.html
    assert card.text.splitlines()[:2] == ["✗ run training: failed", "  ValueError: no"]
    assert "train  ✗ failed  1 min 4 s  rate 0.1 → 0.2  model@3" in card.text


@pytest.mark.parametrize("card", STABLE.values(), ids=STABLE.keys())
def test_a_stable_card_says_no_id_and_no_time_anywhere(card: Bundle) -> None:
    said = all_that_is_said(card)

    assert RUN_ID[:8] not in said
    assert not TIME.findall(re.sub(r"base64,[\w+/=]+|(?:stroke|font|style)[\w-]*=\"[^\"]*\"", "", said))


def test_two_equal_runs_have_the_same_stable_card() -> None:
    run = full_run("word")
    again = replace(
        run,
        id="ffffffff-1111-4222-8333-444455556666",
        name="training-2026_11_21",
        started="2027-01-01T00:00:00+00:00",
        ended="2027-01-01T00:09:00+00:00",
        model_version="word@run-ffffffff",
        steps=[replace(step, duration_s=9.0) for step in run.steps],
    )

    assert run_card(again, stable=True) == run_card(run, stable=True)
    assert run_card(again) != run_card(run)


def test_a_card_made_twice_is_the_same() -> None:
    assert run_card(full_run("word")) == run_card(full_run("word"))


def test_a_pickle_is_told_to_be_one() -> None:
    card = artifact_card(ArtifactFacts("model", 3, materializer="cloudpickle", is_pickle=True))

    assert "pickle: loading it runs code" in card.html
    assert "pickle: loading it runs code" in card.text


def test_what_is_not_known_leaves_no_empty_line() -> None:
    card = pipeline_card(PipelineFacts("training"))

    assert card.text == "pipeline training"
    assert "description" not in card.html


def test_a_required_parameter_is_told_from_one_whose_default_is_none_or_text() -> None:
    text = pipeline_card(full_pipeline("word")).text

    assert "word       word  'word'" in text
    assert re.search(r"r +word +None", text)


def test_long_parts_fold_away_but_text_has_them() -> None:
    card = step_card(StepFacts("train", source="def train():\n    pass\n", logs="epoch 1"))

    assert card.html.count("<details") == 2
    assert "    def train():\n        pass" in card.text


def test_a_run_that_goes_on_has_a_start_and_no_duration() -> None:
    card = run_card(RunFacts(RUN_ID, "monday", "training", "running", STARTED))

    assert "started" in card.text
    assert "took" not in card.text
