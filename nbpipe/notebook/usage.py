"""What each magic says about itself: `%%step -h`, `%%step?` and `%nbpipe?`."""

from __future__ import annotations

from nbpipe.commands.grammar import PLACES
from nbpipe.services.queryable import columns_by_view

STEP = """\
%%step [NAME] [options]                     a cell that computes is a step; inputs and outputs are inferred
%%step NAME(input, …) -> output, … [options]   or say them
%%step                                      a cell that only defines functions makes each a step
#| step [NAME] [options]                    the same, in a cell that stays plain Python for everybody else

  --tag NAME         put a tag on each output; may be repeated
  --no-cache         run it every time
  --retries N        try again N times when it fails in a pipeline run
  --retry-delay S    wait S seconds before each
  --retry-backoff F  wait F times as long before each later one
  --timeout S        stop it after S seconds in a pipeline run
  --after STEP       run after STEP though nothing flows from it; may be repeated
  --define           define it now, run it with the pipeline
  -h, --help         show this
An empty cell under %%step NAME shows the step's card."""

PARAMS = """\
%%params [options]     typed parameters of this notebook's pipeline, one annotated assignment a line:
    test_size: float = Field(0.25, gt=0, lt=1, description="share held out")
    model_type: Literal["forest", "logistic"] = "forest"
Field, Literal, Annotated, Optional, Path and the date names are there without an import.

  --name PIPELINE                    the pipeline's name; the notebook's own if not given
  --tag NAME[:exclusive][:cascade]   a tag of its runs; may be repeated
  --model NAME[@VERSION]             the model its runs work on; VERSION may be a template: run-{run.id[:8]}
  -h, --help                         show this"""

PIPELINE = """\
%%pipeline NAME(parameter: type = default, …) [options]     the body calls steps; its last expression is the result

  --tag NAME[:exclusive][:cascade]   a tag of its runs; may be repeated
  --model NAME[@VERSION]             the model its runs work on; VERSION may be a template: run-{run.id[:8]}
  --no-cache                         run every step every time
  -h, --help                         show this"""

_VIEWS = list(columns_by_view())
CATALOG = f"""\
%%catalog [NAME]     one read-only SELECT over the catalog's views; NAME also binds the result as a DataFrame
Views: {", ".join(_VIEWS[:9])},
       {", ".join(_VIEWS[9:])}
Tab names them and their columns.

  -h, --help         show this"""

USAGE = {"step": STEP, "params": PARAMS, "pipeline": PIPELINE, "catalog": CATALOG}

NBPIPE = "\n".join(
    [
        "%nbpipe NOUN VERB …     what the command line says, answered with a table or a widget",
        "",
        *(f"  {name:<12}{place.purpose}" for name, place in PLACES.items()),
        "",
        "%nbpipe NOUN --help says which verbs there are, %nbpipe NOUN VERB? what one takes; Tab names what there is.",
    ]
)
