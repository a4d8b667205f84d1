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
import urllib.error
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
  ... on RepositoryLocation { name } ... on PythonError { message } } } } } }"""
_LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on InvalidSubsetError { message } } }"""
_BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } ... on PartitionKeysNotFoundError { message } } }"""
_RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } stepStats { stepKey status } } } }"""
_RUNS = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId } } } }"""
_CANCEL_BACKFILL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename
  ... on PythonError { message } ... on UnauthorizedError { message } } }"""
_BACKFILL_STATE = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status
  error { message } runs(limit: 100) { id status tags { key value } } } } }"""
_CHECKS = """query($k: AssetKeyInput!, $n: String!, $p: String) { assetCheckExecutions(assetKey: $k, checkName: $n,
  limit: 5, partition: $p) { status evaluation { success severity partition description metadataEntries { label
  ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } }"""
_RESULTS = """query($id: ID!, $c: String) { logsForRun(runId: $id, afterCursor: $c) { ... on EventConnection { cursor hasMore
  events { ... on AssetCheckEvaluationEvent { evaluation { checkName assetKey { path } success severity partition
  description } } } } } }"""
_NODES = """{ assetNodes { assetKey { path } groupName description owners { ... on TeamAssetOwner { team } } kinds
  partitionDefinition { description } assetChecksOrError { ... on AssetChecks { checks { name blocking description } } } } }"""
_AUTOMATION = """query($s: RepositorySelector!) { repositoryOrError(repositorySelector: $s) { ... on Repository {
  jobs { name description } schedules { name scheduleState { status } } sensors { name sensorState { status } } } } }"""
_START_SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename
  ... on PythonError { message } } }"""
_START_SENSOR = """mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename
  ... on PythonError { message } } }"""
_TICK_SCHEDULE = """mutation($s: ScheduleSelector!, $t: Float) { scheduleDryRun(selectorData: $s, timestamp: $t) { __typename
  ... on DryRunInstigationTick { evaluationResult { runRequests { tags { key value } } skipReason error { message } } } } }"""
_SENSOR = """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { status
  ticks(limit: 5) { status runIds skipReason error { message } } } } } }"""
_REPOSITORY = {"repositoryLocationName": "coterie", "repositoryName": "__repository__"}
_PARTITION = "dagster/partition"
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
        # Settings of whoever runs the tests must not reach the server.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COTERIE_", "DAGSTER_"))}
        self.env = {**kept, "PATH": path, "DAGSTER_HOME": str(instance), **env}

    def __enter__(self) -> Self:
        self._out = self._log.open("w")
        # A session of its own, so that the whole tree (webserver, daemon, code server, runs) ends with it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(self.port)],
            cwd=ROOT, env=self.env, stdout=self._out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self.wait(self._loaded, 180)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The parent stops its children when it is interrupted; whoever of the group is left after that is killed.
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
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
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as refused:  # what was wrong stands in the body
            raise RuntimeError(f"{refused}: {refused.read().decode()[:2000]}") from refused
        if found.get("errors"):
            raise RuntimeError(json.dumps(found["errors"])[:2000])
        return found["data"]

    # -- what there is ---------------------------------------------------------------------------------------------

    def assets(self) -> dict[str, dict[str, Any]]:
        """The asset nodes by key; `checks` holds what each declares, by name."""
        return {
            _key(node): {**node, "checks": {check["name"]: check for check in node["assetChecksOrError"]["checks"]}}
            for node in self.ask(_NODES)["assetNodes"]
        }

    def automation(self) -> dict[str, dict[str, str]]:
        """The jobs with their descriptions, the schedules and the sensors with their status."""
        found = self.ask(_AUTOMATION, {"s": _REPOSITORY})["repositoryOrError"]
        return {
            "jobs": {job["name"]: job["description"] for job in found["jobs"]},
            "schedules": {one["name"]: one["scheduleState"]["status"] for one in found["schedules"]},
            "sensors": {one["name"]: one["sensorState"]["status"] for one in found["sensors"]},
        }

    # -- runs ------------------------------------------------------------------------------------------------------

    def run_job(self, job: str, day: str) -> dict[str, Any]:
        """Launch a job for one day and wait for the run."""
        return self.finished_run(self._launch({"pipelineName": job}, day))

    def materialize(self, assets: Sequence[str], day: str) -> dict[str, Any]:
        """Launch assets for one day, as the button Materialize does, and wait for the run."""
        return self.finished_run(
            self._launch({"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [a]} for a in assets]}, day)
        )

    def _launch(self, what: dict[str, Any], day: str) -> str:
        params = {
            "selector": {**_REPOSITORY, **what},
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": _PARTITION, "value": day}]},
        }
        launched = self.ask(_LAUNCH, {"p": params})["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(str(launched))
        return str(launched["run"]["runId"])

    def finished_run(self, run_id: str, timeout: int = 240) -> dict[str, Any]:
        """Wait until a run has ended: its id, its status, its day, and the status of each step."""
        state = self._ended(lambda: self.ask(_RUN, {"id": run_id})["runOrError"], timeout)
        return {
            "run": run_id,
            "status": state["status"],
            "day": _tags(state).get(_PARTITION),
            "steps": {s["stepKey"]: s["status"] for s in state["stepStats"]},
        }

    def runs_of(self, day: str) -> list[str]:
        """The ids of the runs of a day, the latest first."""
        wanted = {"f": {"tags": [{"key": _PARTITION, "value": day}]}}
        return [run["runId"] for run in self.ask(_RUNS, wanted)["runsOrError"]["results"]]

    def results(self, run_id: str) -> list[dict[str, Any]]:
        """Every check result of a run."""
        found: list[dict[str, Any]] = []
        cursor, more = None, True
        while more:
            page = self.ask(_RESULTS, {"id": run_id, "c": cursor})["logsForRun"]
            found += [event["evaluation"] for event in page["events"] if event.get("evaluation")]
            cursor, more = page["cursor"], page["hasMore"]
        return [{**result, "asset": _key(result), "check": result["checkName"]} for result in found]

    def check(self, asset: str, name: str, day: str) -> dict[str, Any]:
        """The latest result of a check for one day."""
        variables = {"k": {"path": [asset]}, "n": name, "p": day}
        return self.ask(_CHECKS, variables)["assetCheckExecutions"][0]

    # -- backfills -------------------------------------------------------------------------------------------------

    def launch_backfill(self, assets: Sequence[str], days: Sequence[str]) -> str:
        """Launch a backfill of assets over days, as the asset graph does; its id."""
        params = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": list(days)}
        launched = self.ask(_BACKFILL, {"p": params})["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(str(launched))
        return str(launched["backfillId"])

    def cancel_backfill(self, backfill_id: str) -> None:
        """Ask for a backfill to be cancelled."""
        asked = self.ask(_CANCEL_BACKFILL, {"id": backfill_id})["cancelPartitionBackfill"]
        if asked["__typename"] != "CancelBackfillSuccess":
            raise RuntimeError(str(asked))

    def finished_backfill(self, backfill_id: str, timeout: int = 420) -> dict[str, Any]:
        """Wait until a backfill has ended: its status, its error, and its runs with their days."""
        state = self._ended(lambda: self.ask(_BACKFILL_STATE, {"id": backfill_id})["partitionBackfillOrError"], timeout)
        return {**state, "runs": [{**run, "day": _tags(run).get(_PARTITION)} for run in state["runs"]]}

    # -- what runs by itself ---------------------------------------------------------------------------------------

    def scheduled(self, schedule: str, at: float) -> dict[str, Any]:
        """Turn a schedule on; the days that a tick at a moment (seconds since 1970) asks for, or why it skips."""
        selector = {**_REPOSITORY, "scheduleName": schedule}
        started = self.ask(_START_SCHEDULE, {"s": selector})["startSchedule"]
        if started["__typename"] != "ScheduleStateResult":
            raise RuntimeError(str(started))
        tick = self.ask(_TICK_SCHEDULE, {"s": selector, "t": at})["scheduleDryRun"]["evaluationResult"]
        if tick["error"]:
            raise RuntimeError(tick["error"]["message"])
        days = [_tags(request)[_PARTITION] for request in tick["runRequests"] or []]
        return {"days": days, "skipped": tick["skipReason"]}

    def sensed(self, sensor: str, timeout: int = 180) -> str:
        """Turn a sensor on and wait until it requests a run; the run's id."""
        selector = {**_REPOSITORY, "sensorName": sensor}
        started = self.ask(_START_SENSOR, {"s": selector})["startSensor"]
        if started["__typename"] == "PythonError":
            raise RuntimeError(started["message"])

        def requested() -> str | None:
            ticks = self.ask(_SENSOR, {"s": selector})["sensorOrError"]["sensorState"]["ticks"]
            failed = [tick["error"]["message"] for tick in ticks if tick["error"]]
            if failed:
                raise RuntimeError(failed[0])
            return next((run for tick in ticks for run in tick["runIds"]), None)

        return str(self.wait(requested, timeout))

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _ended(self, state: Callable[[], dict[str, Any]], timeout: int) -> dict[str, Any]:
        return self.wait(lambda: found if (found := state()).get("status") in _DONE else None, timeout)

    def wait(self, condition: Callable[[], Any], timeout: int) -> Any:
        """The first true answer of a condition that is asked again and again."""
        end = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"nothing after {timeout} s; {self._log.read_text()[-2000:]}")
            time.sleep(0.5)
        return found


def _key(node: dict[str, Any]) -> str:
    return "/".join(node["assetKey"]["path"])


def _tags(tagged: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tagged["tags"]}


@contextlib.contextmanager
def browser_page(pictures: Path, width: int = 1600, height: int = 1000) -> Iterator[Any]:
    """A page of a real browser; if what is done with it fails, `pictures` gets a picture of it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=BROWSER_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        try:
            yield page
        except BaseException as error:
            page.screenshot(path=pictures / "failed.png")
            error.add_note(f"what the browser showed: {pictures / 'failed.png'}")
            raise
        finally:
            browser.close()
