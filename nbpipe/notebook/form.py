"""The form of the notebook's own pipeline: what `%%params` shows.

What its button runs is what the notebook holds by then, not what it held when the form was made.
"""

from __future__ import annotations

from nbpipe.notebook.surroundings import OwnPipeline
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.runnable_forms import pipeline_form


def own_form(own: OwnPipeline, *, static: bool) -> ParameterForm:
    """Open the form; what its `wait` gives is shown as the run's card and has the `Run` as its record.

    Args:
        own: The notebook's own pipeline.
        static: Show the static face only.
    """
    return pipeline_form(own, call=None, command="%nbpipe run", static=static)
