"""What becomes of each cell, decided from the text and from what a plain run has shown."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nbpipe.adoption.cells import Role
from nbpipe.adoption.kernels import CellRun
from nbpipe.adoption.looking import Look, Seen
from nbpipe.adoption.planning import Plan, plan
from nbpipe.source.notebook_files import NotebookCell

GENERATOR = Look("generator", "", "an iterator cannot be stored")
NUMBER = Look("int", "1", "")


def planned(
    *texts: str, seen: Mapping[int, Mapping[str, Look]] | None = None, shows: tuple[int, ...] = (), **options: bool
) -> Plan:
    """Plan a notebook of these cells; a text that begins with `#` is Markdown."""
    cells = [NotebookCell(not text.startswith("#"), text) for text in texts]
    variables: dict[str, Look] = {}
    runs = {}
    for index, cell in enumerate(cells):
        variables |= (seen or {}).get(index, {})
        if cell.is_code:
            runs[index] = CellRun("", index in shows, index in shows, Seen(dict(variables), {}, {"random": "1"}))
    return plan(cells, runs, **options)


def roles(made: Plan) -> list[str]:
    """Give what each code cell becomes."""
    return [cell.role.value for cell in made.cells]


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("import pandas as pd", Role.DEFINES),
        ("def f(x):\n    return x", Role.DEFINES),
        ("RATE = 0.1\nNAME = 'a'", Role.DEFINES),
        ("class A:\n    pass", Role.DEFINES),
        ("import pandas as pd\npd.set_option('display.width', 100)", Role.SETTINGS),
        ("import matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = (8, 4)", Role.SETTINGS),
        ("%matplotlib inline", Role.DEFINES),
        ("x = [1]", Role.STEP),
        ("print('a')", Role.STEP),
        ("x = 1\nprint(x)", Role.STEP),
        ("!pip install x", Role.PLAIN),
        ("%%bash\nls", Role.PLAIN),
        ("%run other.py", Role.PLAIN),
        ("", Role.EMPTY),
        ("# only a remark", Role.EMPTY),
    ],
)
def test_a_cell_becomes_what_it_does(text: str, role: Role) -> None:
    cells = [NotebookCell(True, text), NotebookCell(True, "y = [2]")]

    made = plan(cells, {0: CellRun(), 1: CellRun()})

    assert made.cells[0].role is role
    assert bool(made.cells[0].why) == (role in (Role.SETTINGS, Role.PLAIN))


def test_a_call_of_a_module_that_shows_something_is_no_setting() -> None:
    texts = ("import matplotlib.pyplot as plt", "plt.plot([1, 2])")

    assert roles(planned(*texts, shows=(1,))) == ["defines", "step"]


def test_cells_between_which_a_generator_goes_are_one_step_with_all_between_them() -> None:
    made = planned(
        "x = [1]", "g = (v for v in x)", "def half(v):\n    return v / 2", "a = next(g)\na", "b = [half(a)]",
        shows=(3,), seen={1: {"g": GENERATOR}, 3: {"a": NUMBER}},
    )  # fmt: skip

    assert [step.cells for step in made.steps] == [(0,), (1, 2, 3), (4,)]
    assert made.steps[1].text == "g = (v for v in x)\n\ndef half(v):\n    return v / 2\n\na = next(g)\na"
    assert "'g' (generator) cannot be stored" in made.cells[1].why


def test_what_a_joined_cell_showed_it_still_shows() -> None:
    made = planned("g = (v for v in [1])\n[\n    1\n]  # shown", "list(g)", shows=(0, 1), seen={0: {"g": GENERATOR}})

    assert made.steps[0].text == "g = (v for v in [1])\ndisplay([\n    1\n])  # shown\n\nlist(g)"


def test_a_function_leads_to_what_it_reads() -> None:
    made = planned(
        "g = (v for v in [1])", "def take():\n    return next(g)", "a = take()", "b = [1]", seen={0: {"g": GENERATOR}}
    )

    assert [step.cells for step in made.steps] == [(0, 1, 2), (3,)]


def test_what_a_plain_cell_computes_keeps_its_readers_plain() -> None:
    made = planned("files = !ls", "n = len(files)", "m = [n]", "k = [1]")

    assert roles(made) == ["plain", "plain", "plain", "step"]
    assert made.cells[1].why == "reads 'files', which plain cell 1 leaves in the kernel"


def test_steps_are_named_after_the_heading_above_them_or_what_they_make() -> None:
    made = planned(
        "# Load the *data*", "df = [1]", "other = [2]", "## Load the data", "df.append(3)", "#", "print(df)",
        shows=(6,), seen={1: {"df": NUMBER}},
    )  # fmt: skip

    assert [step.name for step in made.steps] == ["load_the_data", "make_other", "load_the_data_2", "show_df"]


def test_a_timer_stays_above_the_step() -> None:
    (step,) = planned("%%time\nx = [1]").steps

    assert (step.above, step.text) == ("%%time", "x = [1]")


def test_obvious_constants_become_parameters_and_others_stay() -> None:
    made = planned(
        "TEST_SIZE = 0.25  # held out\nSEED = 7\nUNUSED = 3\nNAMES = ('a',)\nTWICE = 1",
        "TWICE = 2", "x = [TEST_SIZE, SEED, NAMES, TWICE]", with_parameters=True,
    )  # fmt: skip

    assert made.parameters == "TEST_SIZE: float = 0.25  # held out\nSEED: int = 7"
    assert made.without == {0: "\n\nUNUSED = 3\nNAMES = ('a',)\nTWICE = 1"}
