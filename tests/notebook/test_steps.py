"""A cell that computes is a step: what it reads and binds, and when it runs."""

from __future__ import annotations

import pytest

from nbpipe import Client
from tests.notebook.shells import Notebook

COUNT = "CALLS.append(1)"


def statuses() -> list[tuple[str, str]]:
    """Give each execution of a step in a cell, oldest first."""
    rows = Client().query(
        "select s.node, s.status from steps s join runs r on r.id = s.run_id "
        "where r.kind = 'interactive' order by s.started, s.node"
    )
    return [(row.node, row.status) for row in rows.itertuples()]


def digests_of(artifact: str) -> set[str]:
    """Give the digests of all versions of an artifact."""
    return set(Client().query(f"select digest from artifacts where name = '{artifact}'").digest)


def test_inputs_and_outputs_are_read_off_the_body(notebook: Notebook) -> None:
    notebook.ok(
        "%%params\nn: int = 3", "%%step load\nrows = list(range(n))", "%%step total\nk = sum(rows)\nvalue = k * n"
    )

    pipeline = notebook.shell.user_ns["__nbpipe_cell__"].session.pipeline()
    placed = pipeline.trace({}, partial=True).steps

    assert (placed["load"].provided, placed["load"].outputs) == (("n",), ("rows",))
    assert placed["total"].provided == ("rows", "n")
    assert placed["total"].outputs == ("k", "value")
    assert notebook["value"] == 9


def test_an_explicit_signature_says_what_flows(notebook: Notebook) -> None:
    notebook.ok(
        "%%step load\nrows = [1, 2]\nother = [3]",
        "%%step train(rows) -> model\nhelper = len(rows)\nmodel = {'n': helper}",
        "%nbpipe run",
    )

    run = Client().runs.list()[0]

    assert list(run.steps["train"].outputs) == ["model"]
    assert run.steps["train"].outputs["model"].load() == {"n": 2}


def test_an_input_that_nothing_provides_is_refused(notebook: Notebook) -> None:
    said = notebook.refused("%%step train(rows) -> model\nmodel = rows")

    assert "takes 'rows', which neither a parameter nor an earlier step provides" in said


def test_running_a_step_that_rebinds_its_input_gives_the_same_each_time(notebook: Notebook) -> None:
    notebook.ok("%%step first\nx = sum([1])")

    values = [notebook.ok("%%step inc\nx = x + 1\nx").value for _ in range(3)]

    assert notebook["x"] == 2
    assert [repr(value) for value in values] == ["2", "2", "2"]


def test_a_parameter_that_a_step_rebinds_keeps_its_value_for_that_step(notebook: Notebook) -> None:
    notebook.ok("%%params\nn: int = 5")

    for _ in range(3):
        notebook.ok("%%step double --no-cache\nn = n * 2")

    assert notebook["n"] == 10


def test_a_comment_reuses_and_an_edit_of_the_body_runs(notebook: Notebook) -> None:
    notebook.ok(
        "%%step load\nx = len('abc')", "%%step load\n# a word\nx = len( 'abc' )", "%%step load\nx = len('abcd')"
    )

    assert statuses() == [("load", "completed"), ("load", "reused"), ("load", "completed")]
    assert notebook["x"] == 4


def test_an_edited_function_runs_what_leans_on_it_and_nothing_else(notebook: Notebook) -> None:
    steps = ("%%step a\nx = len('ab')", "%%step b\ny = scale(x)", "%%step c\nz = [x]")
    notebook.ok("FACTOR = 2", "def scale(v):\n    return v * FACTOR", *steps)

    notebook.ok("def scale(v):\n    return v * FACTOR + 1", *steps)

    assert statuses()[3:] == [("a", "reused"), ("b", "completed"), ("c", "reused")]
    assert notebook["y"] == 5


def test_a_constant_of_a_plain_cell_is_part_of_the_step(notebook: Notebook) -> None:
    steps = ("%%step a\nx = len('ab') * FACTOR", "%%step b\ny = x + 1")
    notebook.ok("FACTOR = 2", *steps, "FACTOR = 3", *steps)

    assert statuses()[2:] == [("a", "completed"), ("b", "completed")]
    assert notebook["y"] == 7


def test_an_equal_output_stops_what_comes_after_from_running(notebook: Notebook) -> None:
    notebook.ok("%%step a\nx = len('ab')", "%%step b\ny = x + 1")

    notebook.ok("%%step a\nx = len('cd')", "%%step b\ny = x + 1")

    assert statuses()[2:] == [("a", "completed"), ("b", "reused")]


def test_a_constant_that_a_step_rebinds_is_bound_anew_before_it_runs(notebook: Notebook) -> None:
    notebook.ok("start = 10", "%%step inc --no-cache\nstart = start + len('a')")

    notebook.ok("%%step inc --no-cache\nstart = start + len('a')")

    assert notebook["start"] == 11


@pytest.mark.parametrize(
    ("make", "change", "show"),
    [
        ("import pandas as pd\nbox = pd.DataFrame({'a': [1], 'b': [2]})", "del box['b']", "list(box)"),
        ("box = [1]", "box.append(2)", "list(box)"),
        ("box = [1]", "alias = box\nalias.append(2)", "list(box)"),
        ("box = {'a': 1}", "for each in [box]:\n    each['b'] = 2", "sorted(box)"),
    ],
    ids=["frame", "list", "alias", "loop"],
)
def test_an_input_changed_in_place_is_a_new_version_for_whoever_comes_later(
    notebook: Notebook, make: str, change: str, show: str
) -> None:
    notebook.ok(f"%%step make\n{make}", f"%%step change\n{change}", f"%%step look\nseen = {show}")
    natively = notebook["seen"]

    notebook.ok("run = %nbpipe run")
    again = notebook.ok("%%step make\n" + make, "%%step change\n" + change, f"%%step look\nseen = {show}")

    assert len(natively) == 2 or natively == ["a"]
    assert notebook["run"].steps["look"].outputs["seen"].load() == natively
    assert notebook["seen"] == natively
    assert again.error is None
    assert [status for node, status in statuses() if node == "change"][-1] == "reused"


def test_a_fitted_estimator_is_a_new_version_of_the_estimator(notebook: Notebook) -> None:
    notebook.ok(
        "import numpy as np\nfrom sklearn.linear_model import LogisticRegression",
        "%%step make\nX = np.arange(8.0).reshape(-1, 1)\ny = (X > 3).ravel()\nmodel = LogisticRegression()",
        "%%step fit\nmodel.fit(X, y);",
        "%%step score\nscore = float(model.score(X, y))",
    )

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert notebook["score"] == 1.0
    assert run.steps["score"].outputs["score"].load() == 1.0
    assert list(run.steps["fit"].outputs) == ["model"]


def test_an_input_that_was_only_read_keeps_its_producer(notebook: Notebook) -> None:
    notebook.ok("%%step make\nbox = [2, 1]", "%%step look\nbest = max(box)\nordered = sorted(box)", "run = %nbpipe run")

    assert list(notebook["run"].steps["look"].outputs) == ["best", "ordered"]


def test_an_input_that_a_plain_cell_changed_is_refused_with_that_cell(notebook: Notebook) -> None:
    notebook.ok("%%step make\nbox = [1]", "%%step use\nn = len(box)", "box.append(2)", "print(box)")

    said = notebook.refused("%%step use\nn = len(box)")

    assert "use would read 'box' as make made it, but cell [4] changed it since" in said
    notebook.ok("%%step make\nbox = [1]", "%%step use\nn = len(box)")


def test_a_step_that_failed_after_it_changed_its_input_can_be_run_again(notebook: Notebook) -> None:
    notebook.ok("%%step make\nbox = [1]")
    notebook.run("%%step use\nbox.append(2)\nn = 1 / 0")

    notebook.ok("%%step use\nbox.append(2)\nn = len(box)")

    assert notebook["n"] == 2


def test_a_live_object_is_refused_with_its_cell_and_the_cure(notebook: Notebook) -> None:
    notebook.ok("import pandas as pd", "live = pd.DataFrame({'a': [1]})")

    said = notebook.refused("%%step use\nn = 1\ntotal = live.a.sum()")

    assert "use reads 'live' (line 3), which is a live DataFrame from cell [3]." in said
    assert "Make that cell a step (%%step), or pass it as a parameter." in said


def test_a_refused_step_is_not_part_of_the_notebooks_pipeline(notebook: Notebook) -> None:
    notebook.ok("%%step good\nx = len('a')")
    said = notebook.refused("%%step bad\ny = nowhere + x")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert "bad reads 'nowhere' (line 2), which is not defined anywhere." in said
    assert list(run.steps) == ["good"]


def test_a_syntax_error_is_pythons_own_and_leaves_the_former_step(notebook: Notebook) -> None:
    notebook.ok("%%step a\nx = len('a')")

    cell = notebook.run("%%step a\nx = (1")

    assert isinstance(cell.error, SyntaxError)
    assert "line 2" in cell.said
    assert notebook.ok("run = %nbpipe run\nrun").value.steps["a"].outputs["x"].load() == 1


@pytest.mark.parametrize("line", ["!pip install x", "%run other.py", "found = !ls"])
def test_a_line_that_cannot_be_replayed_is_refused_with_its_number(notebook: Notebook, line: str) -> None:
    said = notebook.refused(f"%%step a\nx = 1\n{line}\ny = len('a')")

    assert f"a holds {line!r} (line 3), which cannot be replayed. Move it to a plain cell above." in said


def test_a_timed_line_runs_in_the_cell_and_in_the_pipeline(notebook: Notebook) -> None:
    notebook.ok("%%step a\n%time x = len('abc')\ny = x + 1")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert notebook["y"] == 4
    assert run.steps["a"].outputs["y"].load() == 4


def test_a_step_may_await_here_and_in_the_pipeline(notebook: Notebook) -> None:
    notebook.ok("import asyncio", "%%step a\nx = await asyncio.sleep(0, 'slept')\nx")

    run = notebook.ok("%nbpipe run --no-cache").value

    assert notebook["x"] == "slept"
    assert run.steps["a"].outputs["x"].load() == "slept"


def test_a_step_that_raises_shows_the_users_own_line_and_is_recorded_as_failed(notebook: Notebook) -> None:
    cell = notebook.run("%%step a\nx = len('a')\ny = x / (1 - x)\nz = 2")

    assert isinstance(cell.error, ZeroDivisionError)
    assert "y = x / (1 - x)" in cell.said
    assert "%%step a" in cell.said
    assert "nbpipe" not in cell.said
    assert len(cell.errors) <= 12
    assert statuses() == [("a", "failed")]


def test_an_interrupted_step_is_recorded_as_interrupted(notebook: Notebook) -> None:
    cell = notebook.run("%%step a\nx = len('a')\nraise KeyboardInterrupt")

    assert isinstance(cell.error, KeyboardInterrupt)
    assert statuses() == [("a", "interrupted")]


@pytest.mark.parametrize(
    ("make", "type_name"),
    [
        ("thing = (n for n in range(3))", "generator"),
        ("thing = open('file', 'w')", "_io.TextIOWrapper"),
        ("import threading\nthing = threading.Lock()", "_thread.lock"),
    ],
    ids=["generator", "file", "lock"],
)
def test_what_cannot_be_stored_stays_in_the_kernel_and_is_refused_where_a_step_reads_it(
    notebook: Notebook, make: str, type_name: str
) -> None:
    notebook.ok(f"%%step make\n{make}\nn = len('ab')", "%%step other\nm = n + 1", "kept = thing")

    said = notebook.refused("%%step use\nfound = list(thing)")
    notebook.ok(f"%%step make\n{make}\nn = len('ab')")
    said_after_reuse = notebook.refused("%%step use\nfound = list(thing)")

    assert f"'thing' is a {type_name}, which cannot be stored" in said
    assert said_after_reuse == said
    assert notebook["m"] == 3
    if hasattr(notebook["thing"], "close"):
        notebook["thing"].close()


def test_a_renamed_cell_takes_the_place_of_its_former_name(notebook: Notebook) -> None:
    notebook.run("%%step load\nx = len('a')", cell_id="one")
    notebook.run("%%step use\ny = x + 1", cell_id="two")

    notebook.run("%%step read\nx = len('a')", cell_id="one")
    run = notebook.ok("run = %nbpipe run\nrun").value

    assert list(run.steps) == ["read", "use"]
    assert notebook.run("%%step use\ny = x + 1", cell_id="two").error is None


def test_a_cell_that_is_a_step_no_longer_leaves_the_pipeline(notebook: Notebook) -> None:
    notebook.run("%%step a\nx = len('a')", cell_id="one")
    notebook.run("%%step b\ny = len('b')", cell_id="two")

    notebook.run("x = len('a')", cell_id="one")
    run = notebook.ok("run = %nbpipe run\nrun").value

    assert list(run.steps) == ["b"]


def test_a_redefined_step_keeps_its_place(notebook: Notebook) -> None:
    notebook.ok("%%step a\nx = len('a')", "%%step b\ny = x + 1", "%%step a\nx = len('abc')")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert list(run.steps) == ["a", "b"]
    assert run.steps["b"].outputs["y"].load() == 4


def test_a_step_that_reads_from_one_that_has_not_run_says_which(notebook: Notebook) -> None:
    notebook.ok("%%step a --define\nx = len('a')")

    said = notebook.refused("%%step b\ny = x + 1")

    assert "Step 'b' reads 'x' from 'a', which has not run yet; run that cell first." in said


def test_a_step_that_is_only_defined_runs_with_the_pipeline(notebook: Notebook) -> None:
    cell = notebook.ok("%%step a --define\nprint('ran')\nx = len('a')")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert cell.outputs == []
    assert run.steps["a"].outputs["x"].load() == 1


def test_a_tag_of_a_step_is_on_its_outputs(notebook: Notebook) -> None:
    notebook.ok("%%step a --tag gold --tag v1\nx = len('a')")

    assert sorted(Client().artifacts.get("x").tags) == ["gold", "v1"]


def test_a_step_after_one_that_is_not_there_is_refused(notebook: Notebook) -> None:
    said = notebook.refused("%%step b --after a\ny = len('b')")

    assert "Step 'b' comes --after 'a', which is no step before it." in said


def test_a_step_without_cache_runs_every_time(notebook: Notebook) -> None:
    notebook.ok(*["%%step a --no-cache\nx = len('a')"] * 2)

    assert statuses() == [("a", "completed")] * 2


def test_an_empty_cell_shows_the_steps_card(notebook: Notebook) -> None:
    notebook.ok("%%params\nn: int = 1", "%%step load\nx = [n]", "%%step total\ny = sum(x) + n")

    card = notebook.ok("%%step total").text

    assert "total" in card
    assert "completed" in card
    assert "from load" in card
    assert "y = sum(x) + n" in card


def test_an_empty_cell_of_no_step_names_the_nearest(notebook: Notebook) -> None:
    notebook.ok("%%step total\ny = len('a')")

    said = notebook.refused("%%step totl\n")

    assert "Did you mean 'total'?" in said


def test_a_step_without_a_name_has_the_same_one_each_time(notebook: Notebook) -> None:
    notebook.run("%%step\nx = len('a')", cell_id="one")
    notebook.run("%%step\ny = x + 1", cell_id="two")
    notebook.run("%%step\nx = len('a') + 1", cell_id="one")

    assert [node for node, _ in statuses()] == ["step_1", "step_2", "step_1"]


def test_a_name_that_a_step_need_not_bind_is_not_taken_from_an_earlier_run(notebook: Notebook) -> None:
    body = "%%step a\nx = len(WORD)\nif x > 2:\n    big = 'yes'"
    notebook.ok("WORD = 'abc'", body, "WORD = 'a'", body)

    said = notebook.refused("%%step b\ny = big")

    assert "Step 'b' reads 'big', which 'a' ended without binding." in said


def test_an_imported_name_and_a_function_of_a_step_are_text_for_later_steps(notebook: Notebook) -> None:
    notebook.ok(
        "%%step a\nimport math\ndef area(r):\n    return math.floor(r)\nx = area(2.5)",
        "%%step b\ny = area(x) + math.ceil(0.5)",
    )

    run = notebook.ok("%nbpipe run --no-cache").value

    assert run.steps["b"].outputs["y"].load() == 3
    assert list(run.steps["a"].outputs) == ["x"]


def test_what_was_executed_before_nbpipe_was_loaded_is_known(shell) -> None:
    notebook = Notebook(shell)
    notebook.ok("import math\nFACTOR = 2", "def scale(x):\n    return x * FACTOR", "%load_ext nbpipe")

    notebook.ok("%%step a\nx = scale(math.floor(1.5))")

    assert notebook["x"] == 2


def test_a_deleted_name_is_gone_after_a_reuse_too(notebook: Notebook) -> None:
    body = "%%step a\nraw = [1, 2]\nn = len(raw)\ndel raw"
    notebook.ok(body, "raw = 5", body)

    assert "raw" not in notebook
    assert notebook["n"] == 2


def test_blank_lines_and_a_timer_above_the_magic_do_no_harm(notebook: Notebook) -> None:
    notebook.ok("\n\n%%step a\nx = len('a')", "%%time\n%%step b\ny = x + 1")

    run = notebook.ok("run = %nbpipe run\nrun").value

    assert notebook["y"] == 2
    assert run.steps["b"].outputs["y"].load() == 2


def test_a_step_of_a_damaged_output_runs_again(notebook: Notebook, workspace) -> None:
    notebook.ok("%%step a\nx = 'abc' * len('ten') * 5_000")
    for blob in workspace.blobs.rglob("*"):
        if blob.is_file():
            blob.chmod(0o644)
            blob.write_bytes(b"damaged" * 4286)

    notebook.ok("%%step a\nx = 'abc' * len('ten') * 5_000")

    assert statuses() == [("a", "completed")] * 2
    assert notebook["x"] == "abc" * 15_000


def test_a_step_may_define_a_class_and_hand_on_an_instance_of_it(notebook: Notebook) -> None:
    notebook.ok(
        "%%step load\nclass Point:\n    def __init__(self, x):\n        self.x = x\n\npoint = Point(3)",
        "%%step double\nvalue = point.x * 2",
    )
    assert notebook["value"] == 6

    notebook.ok("%nbpipe run", "%nbpipe run --no-cache", "%nbpipe run --no-cache --executor processes:1")

    assert len(digests_of("point")) == 1
    last = [[step.status.value for step in run.steps.values()] for run in Client().runs.list()[:3]]
    assert last == [["completed", "completed"], ["completed", "completed"], ["reused", "reused"]]


def test_an_instance_counts_as_another_when_its_class_is_edited(notebook: Notebook) -> None:
    text = "%%step load --no-cache\nclass Point:\n    x = {}\n\npoint = Point()"
    notebook.ok(text.format(3), text.format(4))

    assert len(digests_of("point")) == 2
