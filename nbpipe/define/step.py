"""Steps: a function, or the body of a cell, with what it takes and gives.

Called inside a pipeline's body a step leaves a node; called anywhere else it is the plain
function it was. What it is made of is text, read anew whenever a run is planned, so that an edit
of a function it leans on counts.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from nbpipe.base.digest import quick
from nbpipe.define.branches import ANYTHING, ConditionalStep, is_untaken, name_passed, untaken
from nbpipe.define.hooks import NO_HOOKS, Hooks
from nbpipe.define.reading import Reading, read_source
from nbpipe.define.signature import signature_of
from nbpipe.define.texts import Surroundings, text_of
from nbpipe.define.trace import current_trace
from nbpipe.errors import DefinitionError
from nbpipe.records.base import plain_name, shorten
from nbpipe.records.definitions import StepSignature
from nbpipe.records.mapping import check_lengths, items_given
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag
from nbpipe.source.closure import Source, close_over
from nbpipe.source.pieces import normalise
from nbpipe.source.places import Places


class Step:
    """One step of a pipeline, made from a function by `@step`.

    Attributes:
        name: Its name in graphs, records and messages.
        function: The function as the user wrote it.
        signature: What it takes and gives.
        options: How it is run.
        hooks: What is called when it has ended.
        text: Its text, decorators included.

    Args:
        frozen: What it is made of, where that is fixed: a step of a snapshot.
    """

    kind = "function"
    # A function works on its own copy of what it is given.
    changed: frozenset[str] = frozenset()

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        options: StepOptions | None = None,
        frozen: Source | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        if not inspect.isfunction(function):
            raise DefinitionError(f"@step stands above a function, not above {shorten(function)}.")
        self.function = function
        self.name = name or function.__name__
        self.options = options or StepOptions()
        self.hooks = hooks
        self.text = frozen.text if frozen is not None else text_of(function, "step")
        self._frozen = frozen
        self._reading: Reading | None = None
        self.signature: StepSignature = signature_of(function, self.name)
        functools.update_wrapper(self, function)

    @functools.cached_property
    def identity(self) -> str:
        """Tells this step from another of the same name."""
        return quick("step", self.name, normalise(self.text))

    def source(self, seen: Places | None = None) -> Source:
        """Read what the step is made of, as it is now.

        Args:
            seen: When files and folders were changed last, for whoever asks many steps at once: each is looked at once.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        if self._frozen is not None:
            return self._frozen
        seen, reading = seen or Places(), self._reading
        if reading is not None and seen.is_current(reading.stamps):
            return reading.source
        source, self._reading = read_source(self.function, self._read, seen)
        return source

    def _read(self, around: Surroundings) -> Source:
        return close_over(
            self.text,
            kind="function",
            entry=self.function.__name__,
            step=self.name,
            units=around.corpus,
            value_of=around.value_of,
            search_path=around.search_path,
        )

    def with_options(self, *, name: str | None = None, **options: Any) -> Step:
        """Give the same step with other options.

        Raises:
            BadValueError: An option that is not known, or a value that does not fit.
        """
        own: dict[str, Any] = {when: options.pop(when) for when in ("on_success", "on_failure") if when in options}
        hooks = self.hooks.changed("step", name or self.name, own) if own else self.hooks
        changed = StepOptions(**{**_given(self.options), **options})
        return Step(self.function, name=name or self.name, options=changed, frozen=self._frozen, hooks=hooks)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Leave a node in the pipeline whose body is running; anywhere else, be the plain function."""
        trace = current_trace()
        if trace is None:
            return untaken(self) if is_untaken(args, kwargs) else self.function(*args, **kwargs)
        return trace.call(self, args, kwargs)

    def when(self, condition: Any, *, equals: Any = ANYTHING) -> ConditionalStep:
        """Give the step as one that runs only if a value is true when the pipeline runs: `deploy.when(ok)(model)`.

        Where it does not run, what depends on it does not either, and the run is none the worse for it; see `either`.
        The value is no part of what the step is known by.

        Args:
            condition: The value: what a step gives, an artifact, or a plain value.
            equals: What it must be equal to, instead of true.
        """
        return ConditionalStep(self, ((condition, equals, False, name_passed(condition)),))

    def unless(self, condition: Any, *, equals: Any = ANYTHING) -> ConditionalStep:
        """Give the step as one that runs only if a value is not true, or not equal to `equals`; see `when`."""
        return ConditionalStep(self, ((condition, equals, True, name_passed(condition)),))

    def map(self, *lists: Any, **fixed: Any) -> Any:
        """Call the step for each item of lists whose length may be known only when the pipeline runs.

        In a pipeline's body it leaves one node, of which each item is executed, kept and reused by itself. Anywhere
        else it calls the plain function for each item.

        Args:
            lists: Lists for the first arguments, walked side by side: outputs of steps, artifacts or plain lists.
            fixed: What is the same for every item, and `after`.

        Returns:
            The list of what the step gives for the items, in their order; one list for each output.

        Raises:
            DefinitionError: No list, or something that cannot be walked through.
        """
        if not lists:
            raise DefinitionError(f"{self.name}.map is given no list; what differs from item to item stands first.")
        trace = current_trace()
        if trace is not None:
            return trace.call(self, lists, fixed, is_mapped=True)
        if is_untaken(lists, fixed):
            return untaken(self)
        names = [*self.signature.inputs, *map(str, range(len(lists)))]
        walked = [items_given(self.name, name, given) for name, given in zip(names, lists, strict=False)]
        check_lengths(self.name, dict(zip(names, map(len, walked), strict=False)))
        results = [self.function(*items, **fixed) for items in zip(*walked, strict=True)]
        if not self.signature.is_tuple:
            return results
        return tuple([result[place] for result in results] for place in range(len(self.signature.outputs)))

    def __repr__(self) -> str:
        takes = ", ".join(self.signature.inputs)
        gives = ", ".join(output.name for output in self.signature.outputs) or "nothing"
        return f"<step {self.name}({takes}) -> {gives}>"


def _given(options: StepOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.model_fields_set}


@overload
def step(function: Callable[..., Any], /) -> Step: ...


@overload
def step(
    *,
    name: str | None = None,
    cache: bool = True,
    enable_cache: bool | None = None,
    retries: int = 0,
    retry_delay_s: float = 0.0,
    retry_backoff: float = 1.0,
    timeout_s: float | None = None,
    tags: Iterable[Tag | str] = (),
    after: Iterable[str] = (),
    expiry_s: float | None = None,
    resources: Mapping[str, float] | None = None,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Step]: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    cache: bool = True,
    enable_cache: bool | None = None,
    retries: int = 0,
    retry_delay_s: float = 0.0,
    retry_backoff: float = 1.0,
    timeout_s: float | None = None,
    tags: Iterable[Tag | str] = (),
    after: Iterable[str] = (),
    expiry_s: float | None = None,
    resources: Mapping[str, float] | None = None,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
) -> Step | Callable[[Callable[..., Any]], Step]:
    """Make a step of a function: `@step`, or `@step(name="clean", retries=2)`.

    Args:
        function: The function.
        name: Its name; the function's own if not given.
        cache: Whether an equal execution may be reused.
        enable_cache: Another spelling of `cache`.
        retries: How many times it is tried again when it fails.
        retry_delay_s: How long to wait before the first of these, in seconds.
        retry_backoff: By what that is multiplied before each later one, up to ten minutes.
        timeout_s: How long it may run, in seconds.
        tags: Tags for each version of its outputs.
        after: Steps that must be done first though nothing flows from them.
        expiry_s: For how long an execution may be reused, in seconds.
        resources: Hints for an executor.
        on_success: Called with the step's facts once it has completed; not where it is reused.
        on_failure: Called with the step's facts and the exception once it has failed for good.

    Raises:
        DefinitionError: No top-level function, or a signature that a step cannot have.
        BadValueError: An option that does not fit.
    """
    name = None if name is None else plain_name("step", name)
    options = StepOptions(
        cache=cache if enable_cache is None else enable_cache,
        retries=retries,
        retry_delay_s=retry_delay_s,
        retry_backoff=retry_backoff,
        timeout_s=timeout_s,
        tags=tags,
        after=tuple(after),
        expiry_s=expiry_s,
        resources=dict(resources or {}),
    )

    def made(wrapped: Callable[..., Any]) -> Step:
        title = str(name or getattr(wrapped, "__name__", ""))
        return Step(wrapped, name=name, options=options, hooks=Hooks.of("step", title, on_success, on_failure))

    return made(function) if function is not None else made
