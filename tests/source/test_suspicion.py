"""What looks like a secret is found by form, name or chance, and what merely resembles one is left in peace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.source.suspicion import Hit, hits_in, is_secret_name, looks_like_secret

# Written in parts, so that nobody takes these tests for a leak.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
SLACK = "xoxb-" + "123456789012-abcdefGHIJKL"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----"
RANDOM = "q7Zp2LkXv9RtB4mN" + "cW8sYdF1gHjK3aQe"


@pytest.mark.parametrize(
    ("text", "name", "looks_like"),
    [
        (f"key = '{AWS}'", "key", "an AWS access key"),
        (f"connect('{GITHUB}')", "", "a GitHub token"),
        ("t = 'github_pat_" + "11ABCDEFG0abcdefghijkl_xyz'", "t", "a GitHub token"),
        (f"SLACK = '{SLACK}'", "SLACK", "a Slack token"),
        (f"pem = '''{KEY}\nMIIE\n'''", "pem", "a private key"),
        (f"headers = {{'Authorization': 'Bearer {JWT}'}}", "Authorization", "a JSON web token"),
        ("g = 'AIza" + "SyA1234567890abcdefghijklmnopqrstuv'", "g", "a Google API key"),
        ("k = 'sk-ant-" + "api03-abcdefghijklmnop1234'", "k", "an API key"),
        ("k = 'hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH'", "k", "a Hugging Face token"),
        ("url = 'postgresql://me:hunter2@db.example.com/x'", "url", "an address with a password"),
        ("password = 'hunter2'", "password", "a password or a key"),
        ("DB_PASSWORD = b'hunter2'", "DB_PASSWORD", "a password or a key"),
        ("dbPassword: str = 'hunter2'", "dbPassword", "a password or a key"),
        ("connect(api_key='a8f5f167f44f')", "api_key", "a password or a key"),
        ("conf = {'client_secret': 'a8f5-f167'}", "client_secret", "a password or a key"),
        ("os.environ['API_TOKEN'] = 'abc12345'", "API_TOKEN", "a password or a key"),
        ("self.password = 'hunter2'", "password", "a password or a key"),
        ("def f(user, password='hunter2'): ...", "password", "a password or a key"),
        ("def f(*, secret='hunter2'): ...", "secret", "a password or a key"),
        ("token: SecretStr = SecretStr('abc12345')", "token", "a password or a key"),
        ("password = 'a8f5f167f44f4964e6c998dee827110c'", "password", "a password or a key"),
        (f"x = '{RANDOM}'", "x", "a key drawn at random"),
        (f"# once it was {AWS}", "", "an AWS access key"),
    ],
)
def test_what_looks_like_a_secret_is_found_under_its_name(text: str, name: str, looks_like: str) -> None:
    assert hits_in(text) == (Hit(1, name, looks_like),)


@pytest.mark.parametrize(
    "text",
    [
        "digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        "sri = 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "run = '123e4567-e89b-12d3-a456-426614174000'",
        "said = 'The password is asked for when the program starts, and never written down.'",
        "url = 'https://example.com:8080/a/b?c=d&e=f'",
        "url = 'https://user@example.com/'",
        "url = f'postgresql://{user}:{password}@{host}/x'",
        "url = 'postgresql://user:<password>@host/x'",
        "url = 'postgres://$USER:$PASSWORD@host'",
        "password = ''",
        "password = 'your-password-here'",
        "password = 'changeme'",
        "password = '********'",
        "password = '<password>'",
        "password = 'env:DB_PASSWORD'",
        "password = os.environ['DB_PASSWORD']",
        "api_key = getpass('API key: ')",
        "token = 'token'",
        "api_key = 'API_KEY'",
        "pad_token = '[PAD]'",
        "eos_token = '<|endoftext|>'",
        "token = 'word'",
        "max_tokens = '1000000'",
        "password_column = 'user_password_2'",
        "tokenizer = 'bert-base-uncased-2024'",
        "secret_name = 'prod/db/main2'",
        "path = '/home/me/Projects/2024/AnalysisOfThings/Data01/raw.parquet'",
        "name = 'CamelCaseIdentifierForSomething2024AndMore'",
        "model = 'sentence-transformers/all-MiniLM-L6-v2-2024'",
        "package = 'sklearn.model_selection.GridSearchCV'",
        "letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'",
        "columns = 'BillLengthMm1_BillDepthMm2_FlipperLengthMm3'",
        "sk = 'sk-learn-is-a-library-of-python'",
        "stamp = '2024-01-02T03:04:05.678901+00:00'",
        "colours = '#FF00AA #00FF11'",
        "text = 'x' * 40",
        "1 / 0",
        "",
        "this is = no Python (",
    ],
)
def test_what_merely_resembles_a_secret_is_left_in_peace(text: str) -> None:
    assert hits_in(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"key = '{AWS}'  # nbpipe: not a secret",
        f"# {AWS}, nbpipe: not a secret",
        f"pem = '''{KEY}\nMIIE\n'''  # nbpipe: not a secret",
    ],
)
def test_a_line_may_say_that_it_is_fine(text: str) -> None:
    assert hits_in(text) == ()


def test_each_line_is_told_once_and_in_order() -> None:
    text = f"a = 1\nkeys = ['{AWS}', '{AWS}']\n\ndef f():\n    password = 'hunter2'\n"

    assert [(hit.line, hit.name) for hit in hits_in(text)] == [(2, "keys"), (5, "password")]


@given(st.text())
def test_any_text_can_be_looked_at_and_what_is_found_holds_no_value(text: str) -> None:
    for hit in hits_in(text):
        assert hit.line <= len(text.splitlines())
    assert len(looks_like_secret("x", text)) < 40


@pytest.mark.parametrize("name", ["API_KEY", "apiKey", "db-password", "token", "aws_secret_access_key", "pwd"])
def test_names_that_promise_a_secret_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "key", "tokenizer", "passwords_seen", "secretary", "mask_token", ""])
def test_names_that_only_sound_alike_are_not(name: str) -> None:
    assert not is_secret_name(name)
