"""The pages: what stands on them, for whom, and that a name is a name on every one of them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote

from nbpipe.records.operations import CreateSnapshot
from nbpipe.server.form_fields import drawn_field, fields_of
from nbpipe.views.markup import render
from tests.server.conftest import EVIL

PAYLOADS = [
    EVIL,
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "javascript:alert(1)",
    "</textarea><script>x</script>",
    '" style="background:url(//evil.example)',
    "日本語 \u202egnp.exe",
    "x" * 240,
]


class Tags(HTMLParser):
    """Gathers what a browser would make of a piece."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def checked(html: str) -> Tags:
    """See that a piece holds no script, no style in force, and no way to another site."""
    found = Tags(html)
    for tag, attributes in found.tags:
        assert tag not in ("script", "style", "iframe", "object", "base", "meta", "link")
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("style", "formaction", "srcdoc", "action")
            if name == "href":
                assert value.startswith("#/"), value
            if name == "src":
                assert value.startswith("data:image/")
    return found


def piece(served, path: str, token: str = "admin") -> str:
    answer = served.ask(f"/pages{path}", token=token)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/html")
    return answer.body.decode()


def test_snapshots_are_listed_with_how_they_are_used(served):
    html = piece(served, "/snapshots", "invoke")

    assert f'href="#/snapshots/{served.facts["snapshot"]}"' in html
    assert "nightly" in html
    assert "No snapshot fits." in piece(served, "/snapshots?text=nothing-of-that-name")


def test_a_form_has_a_field_for_each_parameter_at_the_snapshots_value(served):
    tags = checked(piece(served, f"/snapshots/{served.facts['snapshot']}", "invoke")).tags

    fields = {attributes["name"]: attributes for tag, attributes in tags if "data-place" in attributes}
    assert json.loads(fields["parameters.rate"]["data-place"]) == ["parameters", "rate"]
    assert fields["parameters.rate"]["value"] == "0.2"
    assert fields["parameters.n"]["inputmode"] == "numeric"
    assert any(tag == "form" and attributes.get("data-run") == served.facts["snapshot"] for tag, attributes in tags)


def test_a_run_is_shown_with_its_graph_results_and_logs(served):
    html = piece(served, f"/runs/{served.facts['run']}", "read")

    checked(html)
    assert "data:image/svg+xml" in html
    assert "loading 3" in html
    assert "numbers" in html
    assert "data-refresh" not in html
    assert "data-stop" not in html


def test_who_may_only_start_runs_sees_how_they_stand_and_not_what_they_hold(served):
    html = piece(served, f"/runs/{served.facts['run']}", "invoke")

    assert "completed" in html
    assert "loading" not in html
    assert "data:image" not in html
    assert "numbers" not in html


def test_a_run_that_waits_is_shown_and_looked_at_again(served):
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"
    run = json.loads(served.ask(address, method="POST", json_={}).body)["id"]

    assert "It waits for its turn." in piece(served, f"/runs/{run}")
    assert 'data-refresh="1000"' in piece(served, f"/runs/{run}")
    assert run[:8] in piece(served, "/runs")


def test_who_may_not_change_things_is_shown_no_way_to(served):
    assert "data-model" in piece(served, "/models/iris", "admin")
    assert "data-model" not in piece(served, "/models/iris", "read")
    assert served.ask("/pages/models/iris", token="invoke").status == 403


def test_what_is_not_there_is_told(served):
    for path in ("/snapshots/nothing", "/runs/nothing", "/models/nothing", "/artifacts/nothing", "/nothing"):
        assert served.ask(f"/pages{path}").status == 404


def test_a_name_is_a_name_on_every_page(served):
    flow = served.project.load(
        """
    @step
    def note(text: str = "x") -> Annotated[str, "noted"]:
        print(text)
        add_tags(tags=[text], infer_artifact=True)
        return text

    @pipeline(model=Model(name="plain"))
    def noting(text: str = "x"):
        return note(text)
    """
    )
    for name in PAYLOADS:
        short = name[:200]
        run = flow.noting.with_options(run_name=short, model={"name": short, "version": short}, tags=[short])(text=name)
        made = flow.noting.create_snapshot(short, parameters={"text": name}, description=name, tags=[short])
        run.model_version.set_stage("production", note=name)
        served.house.client.tokens.create(short, scope="read")
        asked = served.house.queue.ask(made, {"parameters": {"text": name}}, by=name)

        pages = [f"/snapshots/{made.id}", f"/runs/{run.id}", f"/models/{quote(short)}", f"/runs/{asked.id}"]
        pages += [f"/artifacts/{run.steps['note'].output.id}", f"/snapshots?text={quote(short)}"]
        pages += ["/runs"]  # while it waits
        for page in pages:
            path, _, query = page.partition("?")
            checked(piece(served, unquote(path) + (f"?{query}" if query else "")))
        served.house.queue.withdraw(asked.id)

    # On these stand all names.
    for page in ("/snapshots", "/runs", "/models"):
        checked(piece(served, page))


KINDS = [
    ("int", "3", "number"),
    ("float", "0.5", "number"),
    ("bool", "True", "flag"),
    ("str", "'a'", "text"),
    ("str", "'a\\nb'", "text"),
    ("Literal['rf', 'svm', 3]", "'rf'", "choice"),
    ("int | None", "None", "optional-number"),
    ("str | None", "None", "optional-text"),
    ("bool | None", "None", "json"),
    ("list[int]", "[1]", "json"),
    ("dict[str, float]", "{'a': 1.0}", "json"),
    ("date", "date(2026, 11, 22)", "text"),
    ("SecretStr", "SecretStr('hush')", "secret"),
    ("int | str", "3", "json"),
]


def test_each_type_has_a_control_of_its_kind(served):
    parameters = ", ".join(f"value_{n}: {annotation} = {default}" for n, (annotation, default, _) in enumerate(KINDS))
    flow = served.project.load(
        f"""
    from datetime import date
    from typing import Literal
    from pydantic import SecretStr

    @pipeline
    def taking({parameters}):
        pass
    """
    )
    fields = fields_of(flow.taking.definition.parameters, {}, set())

    for field, (annotation, default, kind) in zip(fields, KINDS, strict=True):
        html = render(drawn_field(field))
        assert f'data-kind="{kind}"' in html, f"{annotation} = {default}"
        assert "hush" not in html


def test_a_parameter_without_a_value_is_marked_and_empty(served):
    flow = served.project.load("""
    @pipeline
    def taking(value: int):
        pass
    """)

    html = render(drawn_field(fields_of(flow.taking.definition.parameters, {}, set())[0]))

    assert 'title="needs a value"' in html
    assert re.search(r'value=""', html)


def test_there_is_a_page_for_every_twenty_snapshots(served):
    catalog = served.house.client.workspace.catalog
    some = served.house.client.snapshots.get("nightly")
    row = catalog.state().snapshots[some.id]
    for n in range(300):
        catalog.transact(CreateSnapshot(id=f"{n:08x}-0000", pipeline="training", name=f"s{n}", digest=row["digest"]))

    html = piece(served, "/snapshots?page=2")

    assert html.count("<tr>") == 21
    assert "page 2 of 16, 302 in all" in html
    assert "s0<" in piece(served, "/snapshots?page=15") + piece(served, "/snapshots?page=16")
