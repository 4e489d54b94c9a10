"""Constants in a text that look like keys, passwords and tokens.

They are told by their form (a provider's prefix, a private key's heading, a password in an
address), by the name they are given (`api_key = "…"`), or by looking drawn at random. What is
found says where and under which name; the value itself never leaves this module.

A line that ends in `# nbpipe: not a secret` is passed over.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from typing import Final

from nbpipe.source.syntax import syntax_tree

FINE: Final = "nbpipe: not a secret"
"""What a comment says at the end of a line that is not to be warned about."""

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})")),
    ("a GitLab token", re.compile(r"\bglpat-[\w-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")),
    ("a JSON web token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")),
    ("a Google API key", re.compile(r"\bAIza[\w-]{35}\b")),
    ("an API key", re.compile(r"\bsk-(?:ant-|proj-)?(?=[\w-]*\d)[\w-]{20,}|\b[rs]k_live_[0-9A-Za-z]{16,}")),
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("a package registry's token", re.compile(r"\b(?:pypi-AgEI[\w-]{20,}|npm_[A-Za-z0-9]{36})")),
    ("an address with a password", re.compile(r"\b[a-zA-Z][\w+.-]{0,30}://[^\s/:@'\"]*:(?![<{$*])[^\s/@'\"]+@[\w.-]")),
)
_NAMES = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|secret|api_?key|access_?key|secret_?key|private_?key|signing_?key|"
    r"auth_?key|account_?key|token|credentials?)$"
)
# Tokens of a text, and not of a service.
_WORDS_OF_MODELS = re.compile(r"(?:^|_)(?:bos|cls|eos|mask|pad|sep|unk|start|end|stop|special|next|first|last)_token$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PLACEHOLDER = re.compile(
    r"(?i)[\W_]*|.*[<>{}$].*|\[.*\]|(?:x|\*|\.|•|0)+|(?:env|file|keyring|secret|vault|arn):.*|"
    r"(?:your|my|the|some|insert|change|replace|enter|put|todo|example|dummy|fake|test|none|null)(?:[\W_].*|me.*)?"
)
_SHORTEST = 4
_SHORTEST_TOKEN = 8
_TOKEN = re.compile(r"[A-Za-z0-9+/_=.~-]{24,256}")
_OF_DATA = re.compile(r"(?i)[0-9a-f-]+|(?:sha\d+|md5)[-:=].*|(?:0x)[0-9a-f]+|data:.*")
_LEAST_ENTROPY_BITS = 3.9
_FEWEST_CHANGES = 0.42


@dataclass(frozen=True, slots=True)
class Hit:
    """One constant that looks like a secret.

    Attributes:
        line: Its line in the text, counted from 1.
        name: What it is bound to or passed as; `""` if nothing names it.
        looks_like: Such as `"an AWS access key"`.
    """

    line: int
    name: str
    looks_like: str


def hits_in(text: str) -> tuple[Hit, ...]:
    """Find what looks like a secret in a piece of Python, in the order of its lines; comments are looked at, too."""
    # As Python counts them: a form feed ends none.
    lines = re.split("\r\n|\r|\n", text)
    fine = {number for number, line in enumerate(lines, 1) if FINE in line}
    found: dict[int, Hit] = {}
    try:
        constants = list(_constants(syntax_tree(text)))
    except (SyntaxError, ValueError, RecursionError):
        constants = []
    for node, name, value in constants:
        looks_like = looks_like_secret(name, value)
        span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if looks_like and fine.isdisjoint(span):
            found.setdefault(node.lineno, Hit(node.lineno, name, looks_like))
        if looks_like:
            # Told once, and not again for each of its lines.
            fine.update(span)
    for number, line in enumerate(lines, 1):
        form = form_of(line)
        if form and number not in fine and number not in found:
            found[number] = Hit(number, "", form)
    return tuple(found[number] for number in sorted(found))


def looks_like_secret(name: str, value: str) -> str:
    """Say what a text looks like under its name; `""` if it looks like no secret."""
    return form_of(value) or _named_so(name, value) or _drawn_at_random(value)


def form_of(value: str) -> str:
    """Say which provider's key a text holds, or what else gives it away; `""` if nothing does."""
    return next((looks_like for looks_like, pattern in _FORMS if pattern.search(value)), "")


def is_secret_name(name: str) -> bool:
    """Tell whether a name promises a secret: `API_KEY`, `dbPassword`; not `max_tokens` or `password_column`."""
    snake = _HUMP.sub("_", name).replace("-", "_").lower()
    return _NAMES.search(snake) is not None and _WORDS_OF_MODELS.search(snake) is None


def _named_so(name: str, value: str) -> str:
    if not is_secret_name(name) or len(value) < _SHORTEST or _PLACEHOLDER.fullmatch(value):
        return ""
    folded = value.casefold().replace("-", "_")
    is_word_for_it = folded in name.casefold().replace("-", "_") or is_secret_name(value)
    if is_word_for_it or " " in value.strip():
        return ""
    is_of_a_text = name.casefold().endswith("token") and (len(value) < _SHORTEST_TOKEN or value.isalpha())
    return "" if is_of_a_text else "a password or a key"


def _drawn_at_random(value: str) -> str:
    if not _TOKEN.fullmatch(value) or _OF_DATA.fullmatch(value):
        return ""
    # Words, paths and dotted names fall into short parts; a token's own signs are few.
    longest = max(re.split(r"[._~-]|/(?=[a-z]+(?:/|$))", value), key=len)
    kinds = [_kind(letter) for letter in longest]
    if len(longest) < 20 or len({"u", "l", "d"} & set(kinds)) < 3:
        return ""
    changes = sum(before != after for before, after in pairwise(kinds)) / (len(kinds) - 1)
    counts = Counter(longest).values()
    entropy_bits = -sum(count / len(longest) * log2(count / len(longest)) for count in counts)
    return "a key drawn at random" if changes >= _FEWEST_CHANGES and entropy_bits >= _LEAST_ENTROPY_BITS else ""


def _kind(letter: str) -> str:
    return "u" if letter.isupper() else "l" if letter.islower() else "d" if letter.isdigit() else "o"


def _constants(tree: ast.AST) -> Iterator[tuple[ast.Constant, str, str]]:
    """Give each text in a tree: its node, the name that it is bound to or passed as, and it."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, name = waiting.pop()
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node, name, node.value
            elif isinstance(node.value, bytes):
                yield node, name, node.value.decode("latin-1")
            continue
        named = {id(part): own for part, own in _named_parts(node)}
        passes_on = isinstance(
            node, ast.Call | ast.Tuple | ast.List | ast.Set | ast.IfExp | ast.BoolOp | ast.keyword | ast.BinOp
        )
        inherited = name if passes_on and not isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and len(node.args) == 1:
            # `SecretStr("…")` and `str("…")` are called what they are bound to.
            inherited = name if isinstance(node.func, ast.Name) else ""
        waiting.extend((child, named.get(id(child), inherited)) for child in ast.iter_child_nodes(node))


def _named_parts(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield value, _name_of(targets[0])
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield value, _name_of(target)
        case ast.keyword(arg=str() as name, value=value):
            yield value, name
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield value, key.value
        case ast.arguments():
            places = [*node.posonlyargs, *node.args]
            yield from (
                (default, place.arg)
                for place, default in zip(places[len(places) - len(node.defaults) :], node.defaults, strict=True)
            )
            yield from (
                (default, place.arg)
                for place, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)
                if default is not None
            )


def _name_of(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
    return ""
