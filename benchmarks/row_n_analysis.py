"""Row N: reading a notebook of 200 cells and planning its pipeline from the text alone.

A hundred plain cells define a function each, which leans on a constant and on two functions before
it; a hundred steps call them and read what the step before gave. Measured is everything between
the cells' text and a wired pipeline with the source of each step; nothing is kept from round to round.
"""

from __future__ import annotations

import ast
import json
import time
from statistics import median

from nbpipe.define.cells import CellStep
from nbpipe.define.pipeline import CellPipeline
from nbpipe.define.texts import follow_notebook
from nbpipe.records.parameters import parameters_of
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import read_unit

PAIRS, MOST_MS = 100, 300.0


class Executed:
    """A notebook of plain cells, as steps see it."""

    def __init__(self, texts: list[str]) -> None:
        self._corpus = Corpus([read_unit(f"cell {n}", text) for n, text in enumerate(texts)])

    def corpus(self) -> Corpus:
        """Give the cells, indexed."""
        return self._corpus

    def value_of(self, name: str) -> object:
        """Give no live value: the text alone is read."""
        raise KeyError(name)


def plain_cells() -> list[str]:
    head = "import numpy as np\nimport pandas as pd\n\nFACTOR = 3"
    return [head, *(function(n) for n in range(PAIRS - 1))]


def function(n: int) -> str:
    former = [f"f{m}(kept)" for m in (n // 2, n // 3) if m < n]
    return (
        f"def f{n}(values):\n    # What is left of them.\n    kept = [v * FACTOR + {n} for v in values if v]\n"
        f"    return {' + '.join(['kept', *former])}"
    )


def step(n: int) -> str:
    former = f"carried_{n} = result_{n - 1} + 1\n" if n else ""
    return (
        f"{former}made = pd.DataFrame({{'a': f{n % (PAIRS - 1)}([1, {n}])}})\nfor i in range(3):\n"
        f"    made.loc[i, 'c'] = np.sqrt(i)\nresult_{n} = made.sum()\nresult_{n}"
    )


def analyse() -> int:
    follow_notebook(Executed(plain_cells()))
    cells = [CellStep(name=f"s{n}", text=step(n)) for n in range(PAIRS)]
    traced = CellPipeline(name="notebook", parameters=parameters_of("notebook", {}), cells=cells).trace({})
    return len(traced.graph.nodes)


def main() -> None:
    texts = [*plain_cells(), *(step(n) for n in range(PAIRS))]
    analyse()
    times_ms, parsed_ms = [], []
    for _ in range(7):
        began = time.process_time()
        assert analyse() == PAIRS
        times_ms.append((time.process_time() - began) * 1e3)
        began = time.process_time()
        for text in texts:
            ast.parse(text)
        parsed_ms.append((time.process_time() - began) * 1e3)
    value, baseline = median(times_ms), median(parsed_ms)
    print(
        json.dumps(
            {
                "row": "N",
                "what": "analysis of a notebook of 200 cells",
                "value": round(value, 1),
                "unit": "ms",
                "baseline": round(baseline, 1),
                "baseline_what": "parsing them",
                "ratio": round(value / baseline, 1),
                "gate": f"≤ {MOST_MS:.0f} ms",
                "met": value <= MOST_MS,
            }
        )
    )


if __name__ == "__main__":
    main()
