"""Lists: runs, pipelines, snapshots, artifacts, models, tags, schedules and deployments, a page at a time.

One handler for all of them: what a noun's rows show and what they are filtered by, the catalog's browser knows
(`services.browsing_nouns`). A page beyond the last is empty, so that whoever walks through pages comes to an end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, create_model

from nbpipe.records.refs import Kind
from nbpipe.records.tokens import TokenScope
from nbpipe.server.house import House, needs
from nbpipe.server.shapes import Page, row_model
from nbpipe.services.browsing import BrowsedRow, BrowsingService
from nbpipe.services.browsing_columns import Noun
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.browsing_questions import LARGEST_PAGE, Question


class Listed(NamedTuple):
    """A noun, where it is listed, and who may see the list."""

    path: str
    noun: str
    scope: TokenScope
    summary: str


LISTS = (
    Listed("/pipelines", "pipelines", TokenScope.INVOKE, "List pipelines, the one that ran last first"),
    Listed("/pipeline_snapshots", "snapshots", TokenScope.INVOKE, "List snapshots, newest first"),
    Listed("/runs", "runs", TokenScope.READ, "List runs, newest first"),
    Listed("/artifacts", "artifacts", TokenScope.READ, "List artifact versions, newest first"),
    Listed("/models", "models", TokenScope.READ, "List models, newest first"),
    Listed("/model_versions", "model_versions", TokenScope.READ, "List model versions, newest first"),
    Listed("/tags", "tags", TokenScope.READ, "List tags, newest first"),
    Listed("/schedules", "schedules", TokenScope.READ, "List schedules, newest first"),
    Listed("/deployments", "deployments", TokenScope.READ, "List deployments, newest first"),
)
# As other servers call a filter of ours.
_ALSO_CALLED = {"pipeline": "pipeline_id", "snapshot": "snapshot_id"}
_FARTHEST_PAGE = 10**9


class Asked(BaseModel):
    """What every list can be asked."""

    page: int = Field(1, ge=1, le=_FARTHEST_PAGE, description="which page, from 1")
    size: int = Field(20, ge=1, le=LARGEST_PAGE, description="how many rows a page has")
    text: str = Field("", max_length=2000, description="words that must all be found in a row")
    sort: str = Field("", max_length=500, description="a column, with a minus before it for the largest first")
    since: str = Field("", max_length=60, description="not before this time: 2026-11-20, 2026-11-20T08:00Z, or 2h ago")
    until: str = Field("", max_length=60, description="before this time")
    hydrate: bool = Field(False, description="taken for the sake of other clients: rows are always whole")
    logical_operator: Literal["and"] = Field("and", description="filters must all hold; there is no other way")


def add_lists(router: APIRouter, house: House) -> None:
    """Put the lists among the routes."""
    for one in LISTS:
        noun = noun_named(one.noun)
        router.add_api_route(
            one.path,
            _lister(house, noun),
            methods=["GET"],
            summary=one.summary,
            name=f"list_{one.noun}",
            response_model=Page.__class_getitem__(row_model(noun)),
            tags=[one.noun],
            **needs(one.scope),
        )


def query_model(noun: Noun) -> type[Asked]:
    """Make the model of what a list of this noun can be asked."""
    fields: dict[str, Any] = {}
    for name, asked in noun.filters.items():
        kind: Any = Literal[("", *asked.choices)] if asked.choices else str
        longest = None if asked.choices else 5000
        fields[name] = (kind, Field("", max_length=longest, description=f"only those of this {name}"))
        if name in _ALSO_CALLED:
            also = _ALSO_CALLED[name]
            fields[also] = (str, Field("", max_length=5000, description=f"the same as `{name}`"))
    if noun.kind is not None:
        fields["tag"] = (list[str], Field(default_factory=list, description="that bear this tag; all of several"))
    if noun.noted_kind is not None:
        fields["where"] = (str, Field("", max_length=5000, description="comparisons of metrics: accuracy > 0.8"))
    made: type[Asked] = create_model(f"{noun.name.title()}Asked", __base__=Asked, **fields)
    return made


def question_of(noun: Noun, asked: Asked) -> Question:
    """Say what is asked of the catalog.

    Raises:
        BadValueError: A column that there is not, or a value that does not fit.
    """
    given = asked.model_dump()
    filters = {name: given[name] or given.get(_ALSO_CALLED.get(name, ""), "") for name in noun.filters}
    filters |= {"since": asked.since, "until": asked.until}
    if given.get("tag"):
        filters["tags"] = given["tag"]
    if given.get("where"):
        filters["where"] = given["where"]
    return Question(
        noun=noun.name,
        text=asked.text,
        filters=filters,
        sort=asked.sort.removeprefix("-"),
        descending=asked.sort.startswith("-") or not asked.sort,
        page=asked.page,
        size=asked.size,
    )


def _lister(house: House, noun: Noun) -> Callable[..., dict[str, Any]]:
    def list_rows(asked: Any) -> dict[str, Any]:
        question = question_of(noun, asked)
        page = BrowsingService(house.client.workspace).page(question)
        rows = page.rows if page.number == question.page else ()
        items = [_item(noun, row) for row in rows]
        return {"items": items, "total": page.total, "page": question.page, "size": question.size}

    # Its model is made of the noun, and no name of a module that an annotation could say.
    list_rows.__annotations__["asked"] = Annotated[query_model(noun), Query()]
    return list_rows


def _item(noun: Noun, row: BrowsedRow) -> dict[str, Any]:
    more: dict[str, Any] = {"tags": list(row.tags)} if noun.kind is not None else {}
    values = dict(row.values)
    if noun.kind is Kind.SNAPSHOT:
        # Behind it stands where the content lies, which is nobody's concern.
        values["digest"] = values["digest"].partition(":")[0]
    metrics = {"metrics": dict(row.metrics)} if noun.is_measured else {}
    return {**{name: _plain(value) for name, value in values.items()}, "id": row.id, **more, **metrics}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
