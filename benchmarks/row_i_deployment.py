"""Row I: what one invocation of a deployment takes, one after the other and from eight clients, and until it is ready.

A pipeline of one trivial step is deployed, every invocation recorded as a run. It is asked over connections that are
kept open, by processes of their own that do nothing else. Beside it stands a bare FastAPI application on uvicorn that
answers the same JSON, asked by the same processes in turns with it. After the last invocation all runs are counted,
so that nothing is fast for being left out.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from nbpipe import Client

ROUNDS, SEQUENTIAL, EACH, CLIENTS, DEPLOYS = 3, 500, 250, 8, 3
GATE_MS, GOAL_MS, GATE_PER_S, GOAL_PER_S, GATE_READY_S, GOAL_READY_S = 5.0, 2.0, 500, 1000, 3.0, 1.5
FLOW = """
from nbpipe import pipeline, step

@step
def double(n: int) -> int:
    return 2 * n

@pipeline
def doubling(n: int = 1) -> int:
    return double(n)
"""
BARE = """
import sys
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

class Parameters(BaseModel):
    n: int = 1

class Invocation(BaseModel):
    parameters: Parameters = Parameters()

app = FastAPI()

@app.post("/invoke")
def invoke(said: Invocation):
    n = said.parameters.n
    outputs = {"double": 2 * n}
    return {"success": True, "outputs": outputs, "run_id": "0" * 36, "parameters": {"n": n}, "execution_time_s": 0.0001}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def ask(url: str, first: int, count: int) -> list[float]:
    """Invoke with numbers from `first` on, on one connection; give how long each took, in milliseconds."""
    place, took_ms = urlsplit(url), []
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    for n in range(first, first + count):
        body = json.dumps({"parameters": {"n": n}})
        began = time.perf_counter()
        connection.request("POST", "/invoke", body, {"Content-Type": "application/json"})
        said = json.loads(connection.getresponse().read())
        took_ms.append((time.perf_counter() - began) * 1e3)
        assert said["outputs"] == {"double": 2 * n}, said
    connection.close()
    return took_ms


def per_s(url: str) -> float:
    """Give how many invocations a second are answered to eight processes that begin together."""
    words = [sys.executable, __file__, "client", url]
    clients = [
        subprocess.Popen([*words, str(n * EACH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(CLIENTS)
    ]
    for client in clients:
        assert client.stdout is not None, "it was asked for"
        assert client.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for client in clients:
        client.communicate("go\n")
    took_s = time.perf_counter() - began
    assert not any(client.returncode for client in clients), "a client failed"
    return CLIENTS * EACH / took_s


def be_client(url: str, first: int) -> None:
    """Be one of those processes."""
    ask(url, first, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    ask(url, first, EACH)


def bare(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the bare application, and wait until it answers."""
    (folder / "bare.py").write_text(BARE, encoding="utf-8")
    port = 18_000 + os.getpid() % 10_000
    process = subprocess.Popen([sys.executable, str(folder / "bare.py"), str(port)])
    url, until_s = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while time.monotonic() < until_s:
        with suppress(OSError):
            ask(url, 1, 1)
            return process, url
        time.sleep(0.05)
    raise SystemExit("the bare application does not answer")


def row(what: str, unit: str, value: float, baseline: float, **told: object) -> None:
    """Print one line."""
    line = {"row": "I", "what": what, "value": round(value, 3), "unit": unit, "baseline": round(baseline, 3)}
    print(json.dumps(line | {"baseline_what": "bare FastAPI", "ratio": round(value / baseline, 2)} | told), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        (folder / "doubling_flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, name)
        from doubling_flow import doubling  # type: ignore[import-not-found]

        deployments, ready_s, bare_ready_s, process = Client().deployments, [], [], None
        try:
            for _ in range(DEPLOYS):
                began = time.perf_counter()
                deployment = doubling.deploy("doubling")
                ready_s.append(time.perf_counter() - began)
                if len(ready_s) < DEPLOYS:
                    deployment.delete()
            for _ in range(DEPLOYS):
                if process is not None:
                    process.terminate()
                    process.wait()
                began = time.perf_counter()
                process, bare_url = bare(folder)
                bare_ready_s.append(time.perf_counter() - began)
            figures = [[median(ask(url, 1, SEQUENTIAL)) for url in (deployment.url, bare_url)] for _ in range(ROUNDS)]
            rates = [[per_s(url) for url in (deployment.url, bare_url)] for _ in range(ROUNDS)]
            deployment.stop()
            asked = ROUNDS * (SEQUENTIAL + CLIENTS * (EACH + 1))
            (completed,) = Client().query("SELECT count(*) AS n FROM runs WHERE status = 'completed'").n
            assert completed == asked, f"{completed} of {asked} runs are recorded as completed"
        finally:
            for deployment in deployments.list():
                deployment.delete()
            if process is not None:
                process.terminate()
                process.wait()
    one_ms, bare_ms = (median(each) for each in zip(*figures, strict=True))
    rate, bare_rate = (median(each) for each in zip(*rates, strict=True))
    ready, bare_ready = median(ready_s), median(bare_ready_s)
    limits = {"gate": f"≤ {GATE_MS:g} ms", "goal": f"≤ {GOAL_MS:g} ms", "met": one_ms <= GATE_MS}
    row("/invoke of a one-step pipeline, recorded, one after the other, p50", "ms", one_ms, bare_ms, **limits)
    limits = {"gate": f"≥ {GATE_PER_S} /s", "goal": f"≥ {GOAL_PER_S} /s", "met": rate >= GATE_PER_S}
    row(f"… from {CLIENTS} clients at once, all recorded", "/s", rate, bare_rate, **limits)
    limits = {"gate": f"≤ {GATE_READY_S:g} s", "goal": f"≤ {GOAL_READY_S:g} s", "met": ready <= GATE_READY_S}
    row("deploy until it answers", "s", ready, bare_ready, **limits)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        be_client(sys.argv[2], int(sys.argv[3]))
    else:
        main()
