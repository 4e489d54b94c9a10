"""What `list` can be narrowed down by on the command line, for every noun whose records are listed by filters."""

from __future__ import annotations

import json

import pytest

from nbpipe.errors import BadValueError, NotFoundError


@pytest.fixture
def second(ask):
    """Two runs with different rates; give the beginning of the second one's id."""
    ask("run flow.py")
    found = ask("run flow.py --set rate=0.5 --tag exp-2").record
    ask("snapshot create flow.py --name nightly --tag exp-3")
    return found.id[:8]


def test_runs_are_narrowed_down_by_every_filter(ask, second):
    def ids(line):
        return [row["id"][:8] for row in json.loads(ask(f"{line} --json").text)]

    first = next(one for one in ids("runs list") if one != second)
    for options in (
        "--tag-prefix exp-",
        "--tag-contains xp",
        "--any-tag exp-2 --any-tag never",
        '--where "total > 2 and total < 9"',
        '--where "total > 2" --where "total < 9"',
        "--metadata total=5.0",
        "--model-version m@2",
        "--order-by '-total' --limit 1",
        "--status failed --status completed --limit 1",
    ):
        assert ids(f"runs list {options}") == [second], options
    assert ids("runs list --since 2h --until 2030-01-01") == [second, first]
    assert ids("runs list --until 2h") == ids("runs list --name-prefix never") == []
    assert ids("runs list --name-contains training --order-by total") == [first, second]
    assert ids(f"runs list --before {second}") == [first]


def test_artifacts_pipelines_and_snapshots_are_narrowed_down_too(ask, second):
    def names(line):
        return [row["name"] for row in json.loads(ask(f"{line} --json").text)]

    assert names("artifact list --name-prefix tot --limit 1") == ["total"]
    assert names("artifact list --since 2h --order-by '-name' --type float --limit 1") == ["total"]
    assert names("artifact list --until 2h") == names("artifact list --where 'rows > 3'") == []
    assert names("artifact list --name total --before total@2") == ["total"]
    assert names("pipeline list --since 2h --status completed --name-contains rain") == ["training"]
    assert names("pipeline list --status failed") == names("pipeline list --tag-prefix x") == []
    assert names("pipeline list --order-by -runs --limit 1") == ["training"]
    assert names("snapshot list --tag-prefix exp --since 1d --name-prefix night") == ["nightly"]
    assert names("snapshot list --metadata rows=3") == names("snapshot list --until 1d") == []


@pytest.mark.parametrize("noun", ["runs", "artifact", "pipeline", "snapshot"])
def test_a_value_that_does_not_fit_is_refused_in_two_lines_at_most(ask, second, noun):
    wrong = {
        "--since": ["soon", "''", "x" * 3000, "'; drop table runs; --", "<script>"],
        "--until": ["2026-99-99"],
        "--limit": ["0", "many"],
        "--where": ["accuracy", "'accuracy > high'"],
        "--metadata": ["rows", "=3", "'rows={}'"],
        "--order-by": ["nothing", "''"],
        "--status": ["done"],
        "--before": ["ffffffff"],
        "--model-version": ["nobody@7"],
        "--tag-prefx": ["x"],
    }
    known = ask(f"{noun} list --help").text

    for option, values in wrong.items():
        for value in values:
            with pytest.raises((BadValueError, NotFoundError)) as refused:
                ask(f"{noun} list {option} {value}")
            assert len(str(refused.value).splitlines()) <= 2
            if option not in known and option == "--tag-prefx":
                assert "--tag-prefix" in str(refused.value)
