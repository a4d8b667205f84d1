"""Drives a real `dagster dev` as a person does: over HTTP, with its daemon, and in a browser."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
# Without these, a headless Chromium asks the network for updates at every start.
BROWSER_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

_REPOSITORIES = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename
  ... on RepositoryLocation { name repositories { name } } ... on PythonError { message } } } } } }"""
_LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on InvalidSubsetError { message } } }"""
_BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } ... on PartitionKeysNotFoundError { message } } }"""
_RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey status } } } }"""
_RUNS = """{ runsOrError(limit: 50) { ... on Runs { results { runId status tags { key value } } } } }"""
_BACKFILL_STATE = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status
  error { message } runs(limit: 100) { id status } } } }"""
_CHECKS = """query($k: AssetKeyInput!, $n: String!, $p: String) { assetCheckExecutions(assetKey: $k, checkName: $n,
  limit: 5, partition: $p) { status evaluation { success severity partition description metadataEntries { label
  ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } }"""
_NODES = """{ assetNodes { assetKey { path } groupName description owners { ... on TeamAssetOwner { team } } kinds
  hasAssetChecks partitionDefinition { description } } }"""
_START_SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename
  ... on PythonError { message } } }"""
_START_SENSOR = """mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename
  ... on PythonError { message } } }"""
_TICK_SCHEDULE = """mutation($s: ScheduleSelector!, $t: Float) { scheduleDryRun(selectorData: $s, timestamp: $t) { __typename
  ... on DryRunInstigationTick { evaluationResult { runRequests { tags { key value } } skipReason error { message } } } } }"""
_SENSOR = """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { status
  ticks(limit: 5) { status runIds skipReason error { message } } } } } }"""
_DONE = {"SUCCESS", "FAILURE", "CANCELED", "COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DagsterDev:
    """A running `dagster dev` on a folder of its own; use as a context manager."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home / "dagster_dev.log"
        instance = home / "dagster_home"
        instance.mkdir(parents=True)
        settings = (ROOT / "dagster.yaml").read_text().replace(".dagster", str(instance))
        (instance / "dagster.yaml").write_text(settings)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": path, "DAGSTER_HOME": str(instance), **env}

    def __enter__(self) -> Self:
        self._out = self._log.open("w")
        # A session of its own, so that the whole tree (webserver, daemon, code server, runs) ends with it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(self.port)],
            cwd=ROOT, env=self.env, stdout=self._out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._wait(self._loaded, 180)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._out.close()

    def _loaded(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"dagster dev ended: {self._log.read_text()[-3000:]}")
        with contextlib.suppress(OSError):
            entry = self.ask(_REPOSITORIES)["workspaceOrError"]["locationEntries"][0]["locationOrLoadError"]
            if entry and entry["__typename"] == "PythonError":
                raise RuntimeError(entry["message"])
            return bool(entry)
        return False

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """One GraphQL request."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        if found.get("errors"):
            raise RuntimeError(json.dumps(found["errors"])[:2000])
        return found["data"]

    def assets(self) -> dict[str, dict[str, Any]]:
        """The asset nodes by key."""
        return {"/".join(node["assetKey"]["path"]): node for node in self.ask(_NODES)["assetNodes"]}

    def materialize(self, assets: Sequence[str], day: str, timeout: int = 240) -> dict[str, Any]:
        """Launch assets for one day and wait for the run."""
        selector = {
            "repositoryLocationName": "coterie", "repositoryName": "__repository__", "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]} for asset in assets],
        }  # fmt: skip
        params = {
            "selector": selector, "runConfigData": {}, "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day}]},
        }  # fmt: skip
        launched = self.ask(_LAUNCH, {"p": params})["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(str(launched))
        return self.finished_run(launched["run"]["runId"], timeout)

    def finished_run(self, run_id: str, timeout: int = 240) -> dict[str, Any]:
        """Wait until a run has ended; its status and the status of each step."""
        state = self._wait_for(lambda: self.ask(_RUN, {"id": run_id})["runOrError"], timeout)
        return {
            "run": run_id,
            "status": state["status"],
            "steps": {s["stepKey"]: s["status"] for s in state["stepStats"]},
        }

    def backfill(self, assets: Sequence[str], days: Sequence[str], timeout: int = 420) -> dict[str, Any]:
        """Launch an asset backfill over days and wait for it."""
        params = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": list(days)}
        launched = self.ask(_BACKFILL, {"p": params})["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(str(launched))
        state = {"id": launched["backfillId"]}
        return self._wait_for(lambda: self.ask(_BACKFILL_STATE, state)["partitionBackfillOrError"], timeout)

    def check(self, asset: str, name: str, day: str) -> dict[str, Any]:
        """The latest result of a check for one day."""
        variables = {"k": {"path": [asset]}, "n": name, "p": day}
        return self.ask(_CHECKS, variables)["assetCheckExecutions"][0]

    def scheduled(self, schedule: str, at: float) -> list[str]:
        """The partitions that a schedule asks for when it ticks at a moment (seconds since 1970)."""
        selector = {
            "repositoryLocationName": "coterie", "repositoryName": "__repository__", "scheduleName": schedule
        }  # fmt: skip
        started = self.ask(_START_SCHEDULE, {"s": selector})["startSchedule"]
        if started["__typename"] != "ScheduleStateResult":
            raise RuntimeError(str(started))
        tick = self.ask(_TICK_SCHEDULE, {"s": selector, "t": at})["scheduleDryRun"]["evaluationResult"]
        return [
            tag["value"]
            for request in tick["runRequests"] or []
            for tag in request["tags"]
            if tag["key"] == "dagster/partition"
        ]

    def sensed(self, sensor: str, timeout: int = 180) -> str:
        """Turn a sensor on and wait until it requests a run; the partition that it asks for."""
        selector = {"repositoryLocationName": "coterie", "repositoryName": "__repository__", "sensorName": sensor}
        self.ask(_START_SENSOR, {"s": selector})

        def requested() -> str | None:
            state = self.ask(_SENSOR, {"s": selector})["sensorOrError"]["sensorState"]
            failed = [tick["error"]["message"] for tick in state["ticks"] if tick["error"]]
            if failed:
                raise RuntimeError(failed[0])
            runs = [run for tick in state["ticks"] for run in tick["runIds"]]
            for run in self.ask(_RUNS)["runsOrError"]["results"]:
                if run["runId"] in runs:
                    return next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition")
            return None

        return str(self._wait(requested, timeout))

    def _wait_for(self, state: Callable[[], dict[str, Any]], timeout: int) -> dict[str, Any]:
        return self._wait(lambda: found if (found := state()).get("status") in _DONE else None, timeout)

    def _wait(self, condition: Callable[[], Any], timeout: int) -> Any:
        end = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"nothing after {timeout} s; {self._log.read_text()[-2000:]}")
            time.sleep(0.5)
        return found


@contextlib.contextmanager
def browser_page(width: int = 1600, height: int = 1000) -> Iterator[Any]:
    """A page of a real browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=BROWSER_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        yield page
        browser.close()
