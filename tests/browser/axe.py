"""What axe says of a page, or of parts of it: https://github.com/dequelabs/axe-core.

One look at many parts takes as long as a look at one of them, so all are looked at together, and each finding is
told with the name of its part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playwright.sync_api import ElementHandle, Page

GRAVE = ("serious", "critical")
# What another theme may change; the rest is looked at in one of them.
OF_COLOURS = ("color-contrast", "link-in-text-block")
# The body of JupyterLab's page has no height of its own, so that axe takes all that is in it for cut off.
LOOK = """async ([rules, ...parts]) => {
  const {body} = document;
  const height = body.style.height;
  body.style.height = '100vh';
  const found = await axe.run({include: parts}, {
    resultTypes: ['violations', 'passes'], selectors: false, elementRef: true,
    ...(rules.length ? {runOnly: {type: 'rule', values: rules}} : {}),
  });
  body.style.height = height;
  const contrasts = [...found.violations, ...found.passes].filter(rule => rule.id === 'color-contrast');
  const told = found.violations.flatMap(rule => rule.nodes.map(node => ({
    rule: rule.id, impact: rule.impact, part: parts.findIndex(part => part.contains(node.element)),
    html: node.html.slice(0, 200), why: (node.failureSummary ?? '').slice(0, 300),
  })));
  const judged = contrasts.flatMap(rule => rule.nodes).filter(
    node => !node.any.some(one => one.data?.messageKey === 'hidden'));
  return {told, judged: judged.length};
}"""


def grave_findings(page: Page, parts: Mapping[str, ElementHandle], rules: Sequence[str] = ()) -> list[str]:
    """Say what is serious or worse, a line for each element.

    Args:
        page: The page; what is scrolled out of it is not seen.
        parts: What to look at, by names that the lines begin with.
        rules: What to look for, axe's names; everything if none is given.
    """
    page.evaluate(AXE_SCRIPT)
    answer: dict[str, Any] = page.evaluate(LOOK, [list(rules), *parts.values()])
    assert answer["judged"] >= len(parts), "axe saw what it was to look at"
    names = list(parts)
    return [
        f"{names[one['part']]}: {one['rule']}: {one['html']} {one['why']}"
        for one in answer["told"]
        if one["impact"] in GRAVE
    ]
