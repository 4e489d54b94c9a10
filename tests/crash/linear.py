"""Whether what many processes were answered could have come from one that did one thing at a time.

The log says in which order operations happened. A history is linearisable if that order respects
real time (what was answered before another was asked stands before it), and if each answer is
what a simple machine answers that does them in that order. A refusal has no line: there must be
a moment between its question and its answer at which the machine would have refused.

The machine here is written anew, in plain Python, from what the operations are said to do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tests.crash.ledger import Record, decided


@dataclass
class Machine:
    """Tags with holders, models with versions and stages, snapshots with names, counters: nothing else."""

    holders: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    snapshots: dict[str, str] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)

    def refuses(self, kind: str, asked: Record) -> bool:
        """Tell whether it would refuse an operation now."""
        if kind == "create_snapshot":
            return asked["name"] in self.snapshots
        if kind == "set_stage" and int(asked["version"] or 1) > len(self.versions[asked["model"]]):
            return True
        if kind == "set_stage" and not asked["force"]:
            version = self._version(asked)
            holder = next((one for one in self.versions[asked["model"]] if one["stage"] == asked["stage"]), None)
            return holder is not None and holder is not version
        return False

    def does(self, kind: str, asked: Record, answer: Record) -> Any:
        """Do an operation: give what it must have answered, of that what does not hang on random ids or the clock."""
        match kind:
            case "add_tags":
                (tag,), (target,) = asked["tags"], asked["targets"]
                return {"lost": self._move(tag["name"], target["scope"], target["id"]), "reached": {}}
            case "open_model_version":
                return self._open(asked, answer)
            case "set_stage":
                return self._promote(asked)
            case "create_snapshot":
                self.snapshots[asked["name"]] = asked["id"]
                return {"id": asked["id"], "name": asked["name"]}
            case "number_artifacts":
                numbers = {}
                for artifact in asked["made"]:
                    self.numbers[artifact["name"]] += 1
                    numbers[artifact["id"]] = self.numbers[artifact["name"]]
                return {"numbers": numbers}
        raise AssertionError(f"the trial asks nothing of the kind {kind}")

    def _move(self, tag: str, scope: str, target: str) -> dict[str, str]:
        former = self.holders.get((tag, scope))
        self.holders[tag, scope] = target
        return {tag: former} if former is not None and former != target else {}

    def _open(self, asked: Record, answer: Record) -> dict[str, Any]:
        model, name = asked["model"]["name"], asked["version"]
        known = self.versions[model]
        found = next((version for version in known if name is not None and version["name"] == name), None)
        if found is None:
            number = len(known) + 1
            found = {"id": answer["id"], "number": number, "name": name or str(number), "stage": "none"}
            known.append(found)
        return dict(found)

    def _promote(self, asked: Record) -> dict[str, Any]:
        version, stage = self._version(asked), asked["stage"]
        former = next((one for one in self.versions[asked["model"]] if one["stage"] == stage), None)
        if former is not None and former is not version:
            former["stage"] = "archived"
        version["stage"] = stage
        moved = former is not None and former is not version
        return {"version": version["id"], "number": version["number"], "archived": former["id"] if moved else None}

    def _version(self, asked: Record) -> dict[str, Any]:
        known = self.versions[asked["model"]]
        return known[-1] if asked["version"] is None else known[int(asked["version"]) - 1]


def disagreements(log: Iterable[Record], said: Iterable[Record]) -> dict[str, list[Any]]:
    """Hold what was answered against the log: what must be empty, by name.

    Args:
        log: The operations, in the order of the log.
        said: What the processes said: each `word` (answered or refused), `request`, `kind`, `fields`, `began` and
            `ended` (one clock for all), `answer`. A request may have been made again after it was answered.
    """
    lines = list(log)
    places = {line["req"]: place for place, line in enumerate(lines)}
    answered = [one for one in said if one["word"] == "answered"]
    refused = [one for one in said if one["word"] == "refused"]
    answers = {line["req"]: line["b"]["answer"] for line in decided(lines)}
    wrong: dict[str, list[Any]] = {
        "lost": [one["request"] for one in answered if one["request"] not in places],
        "duplicated": [
            request for request, count in Counter(line["req"] for line in decided(lines)).items() if count > 1
        ],
        "not_dense": [line["n"] for n, line in enumerate(lines, start=1) if line["n"] != n],
        "otherwise_answered": [one for one in answered if answers.get(one["request"], one["answer"]) != one["answer"]],
        "out_of_order": _out_of_order([one for one in answered if one["request"] in places], places),
    }
    wrong["impossible_answers"], wrong["impossible_refusals"] = _replayed(lines, answered, refused, places)
    return wrong


def _out_of_order(answered: list[Record], places: Mapping[str, int]) -> list[Any]:
    wrong, latest = [], 0
    first: dict[str, Record] = {}
    for one in answered:
        # Of a request that was repeated, the first question counts: it was done then.
        former = first.get(one["request"])
        if former is None or one["began"] < former["began"]:
            first[one["request"]] = one
    for one in sorted(first.values(), key=lambda one: places[one["request"]]):
        if one["ended"] < latest:
            wrong.append(one["request"])
        latest = max(latest, one["began"])
    return wrong


def _replayed(
    lines: list[Record], answered: list[Record], refused: list[Record], places: Mapping[str, int]
) -> tuple[list[Any], list[Any]]:
    machine, wrong = Machine(), []
    windows = _windows(refused, answered, places, len(lines))
    opening, closing, looked_for = defaultdict(list), defaultdict(list), {}
    for n, (start, end) in enumerate(windows):
        opening[start].append(n)
        closing[end].append(n)
        looked_for[n] = False
    current: set[int] = set()
    for place in range(len(lines) + 1):
        current.update(opening[place])
        for n in current:
            looked_for[n] = looked_for[n] or machine.refuses(refused[n]["kind"], refused[n]["fields"])
        current.difference_update(closing[place])
        if place < len(lines) and lines[place]["k"] != "closed":
            line = lines[place]
            asked, answer = line["b"]["op"], line["b"]["answer"]
            should = "refused" if machine.refuses(line["k"], asked) else machine.does(line["k"], asked, answer)
            if should != _essence(line["k"], answer):
                wrong.append((line["n"], line["k"], should, answer))
    return wrong, [refused[n] for n, found in looked_for.items() if not found]


def _windows(
    refused: list[Record], answered: list[Record], places: Mapping[str, int], end: int
) -> list[tuple[int, int]]:
    """Say of each refusal before which lines of the log it may have happened: from the first place to the last."""
    by_end = sorted((one["ended"], places[one["request"]]) for one in answered if one["request"] in places)
    by_start = sorted((one["began"], places[one["request"]]) for one in answered if one["request"] in places)
    latest = [-1, *accumulate((place for _, place in by_end), max)]
    earliest = [end, *accumulate((place for _, place in reversed(by_start)), min)][::-1]
    found = []
    for one in refused:
        answered_before = bisect_left(by_end, (one["began"], -1))
        asked_before = bisect_right(by_start, (one["ended"], end))
        found.append((latest[answered_before] + 1, earliest[asked_before]))
    return found


def _essence(kind: str, answer: Record) -> Any:
    match kind:
        case "open_model_version":
            return {name: answer[name] for name in ("id", "number", "name", "stage")}
        case "set_stage":
            archived = answer["archived"]
            version = answer["version"]
            archived = archived["id"] if archived is not None else None
            return {"version": version["id"], "number": version["number"], "archived": archived}
        case "create_snapshot":
            return {"id": answer["id"], "name": answer["name"]}
    return answer
