from __future__ import annotations

import pytest

from nbpipe.source.stars import exports


@pytest.fixture
def path(tmp_path):
    texts = {
        "open_one": "a = 1\n_b = 2\nimport json\n",
        "listed": "__all__ = ['_b']\na = 1\n_b = 2\n",
        "relay": "from open_one import *\nfrom math import *\nfrom relay import *\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    return [str(tmp_path)]


@pytest.mark.parametrize(
    ("module", "name", "is_exported"),
    [
        ("open_one", "a", True),
        ("open_one", "json", True),
        ("open_one", "_b", False),
        ("open_one", "c", False),
        ("listed", "a", False),
        ("listed", "_b", True),
        ("relay", "a", True),
        ("relay", "tau", True),
        ("relay", "_b", False),
        ("math", "tau", True),
        ("math", "tua", False),
        ("no_such_module_here", "a", False),
    ],
)
def test_a_star_brings_in_what_the_module_exports(path, module, name, is_exported):
    assert exports(module, name, search_path=path) is is_exported
