"""Kafka Connect's REST interface: the few calls that live sources need, each with a time-out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from infra.addresses import without_login
from ingest.errors import SourceError, SourceOutageError

TIMEOUT_SECONDS = 15.0  # of one call; creating a connector validates it against its database
REBALANCE_SECONDS = 20.0  # how long a worker that is joining or leaving its group is waited for
WAIT_SECONDS = 0.25  # between two looks
REASON_LENGTH = 600  # characters of a server's message that are repeated
RESTING = ("STOPPED", "PAUSED")  # states of a connector that somebody lets rest: we stop it, others may pause it


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """What Kafka Connect says of a connector: RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED; absent: ABSENT."""

    state: str
    task_state: str
    trace: str = ""

    @property
    def failed(self) -> bool:
        """Whether it, or its task, has given up."""
        return "FAILED" in (self.state, self.task_state)

    @property
    def paused(self) -> bool:
        """Whether somebody lets it rest."""
        return self.state in RESTING

    @property
    def ended(self) -> bool:
        """Whether it was stopped, and its task has ended."""
        return (self.state, self.task_state) == ("STOPPED", "UNASSIGNED")

    @property
    def running(self) -> bool:
        """Whether both run."""
        return self.state == "RUNNING" and self.task_state == "RUNNING"


ABSENT = ConnectorStatus("ABSENT", "ABSENT")


class ConnectClient:
    """One Kafka Connect cluster. `scrub` is applied to every message that is repeated from it.

    The URL may hold user and password, which no message tells.
    """

    def __init__(self, url: str, scrub: Callable[[str], str] = lambda text: text) -> None:
        if not url:
            raise SourceError(
                "live sources need Kafka Connect, and setting connect_url (KB_CONNECT_URL) is empty; "
                "name its REST address, such as http://localhost:8083 (`kb stack env` prints it)"
            )
        self._shown = without_login(url.rstrip("/"))
        self._scrub = scrub
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        """Release the connection."""
        self._http.close()

    def __enter__(self) -> ConnectClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plugins(self) -> dict[str, str]:
        """The version of each connector that can be made, by class."""
        return {plugin["class"]: plugin["version"] for plugin in self._call("GET", "/connector-plugins")}

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Make a connector, or change the one of that name. Raises `SourceError` where it does not fit.

        The former task has ended before: it would be called running for a while, answer a signal that is meant for the
        next by the former configuration, and write to what that one reads.
        """
        is_new = self.status(name) is ABSENT
        if not is_new:
            self._end(name)
        self._call("PUT", f"{_path(name)}/config", json=dict(config))
        if not is_new:
            self.resume(name)

    def config(self, name: str) -> dict[str, str] | None:
        """Its configuration, None where there is no such connector."""
        answer = self._call("GET", f"{_path(name)}/config", absent=None)
        return None if answer is None else dict(answer)

    def status(self, name: str) -> ConnectorStatus:
        """How it is; the trace is the first failed task's."""
        answer = self._call("GET", f"{_path(name)}/status", absent=None)
        if answer is None:
            return ABSENT
        tasks = answer["tasks"] or [{"state": "UNASSIGNED"}]
        worst = next((task for task in tasks if task["state"] == "FAILED"), tasks[0])
        trace = worst.get("trace") or answer["connector"].get("trace") or ""
        return ConnectorStatus(answer["connector"]["state"], worst["state"], self._scrub(trace))

    def pause(self, name: str) -> None:
        """Stop its task and its connection to the database; what it has read stays known."""
        self._call("PUT", f"{_path(name)}/stop")

    def resume(self, name: str) -> None:
        """Let it go on."""
        self._call("PUT", f"{_path(name)}/resume")

    def restart(self, name: str) -> None:
        """Start it and its task again, for example after what made it fail was mended."""
        self._call("POST", f"{_path(name)}/restart?includeTasks=true&onlyFailed=false")

    def offsets(self, name: str) -> list[dict[str, Any]]:
        """How far it has read, in the words of its database."""
        answer = self._call("GET", f"{_path(name)}/offsets", absent={"offsets": []})
        return [dict(entry["offset"] or {}) for entry in answer["offsets"]]

    def delete(self, name: str) -> None:
        """Remove it and what it has read; nothing where there is none."""
        if self.status(name) is ABSENT:
            return
        self._end(name)
        self._call("DELETE", f"{_path(name)}/offsets", absent=None)
        self._call("DELETE", _path(name), absent=None)

    def _end(self, name: str) -> None:
        self._call("PUT", f"{_path(name)}/stop", absent=None)
        self.wait(name, lambda status: status.ended or status is ABSENT, REBALANCE_SECONDS)

    def wait(self, name: str, until: Callable[[ConnectorStatus], bool], seconds: float) -> ConnectorStatus:
        """Its status once it is as wanted, or as it is after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status(name)
            if until(status) or time.monotonic() > deadline:
                return status
            time.sleep(WAIT_SECONDS)

    def _call(self, method: str, path: str, *, json: Any = None, absent: Any = ...) -> Any:
        """The answer's JSON; `absent` for 404 where given."""
        deadline = time.monotonic() + REBALANCE_SECONDS
        while True:
            response = self._send(method, path, json)
            if response.status_code == httpx.codes.NOT_FOUND and absent is not ...:
                return absent
            if response.status_code != httpx.codes.CONFLICT or time.monotonic() > deadline:
                break  # 409: its workers are sharing out connectors just now
            time.sleep(WAIT_SECONDS)
        if response.is_success:
            return response.json() if response.content else None
        raise self._refusal(response)

    def _send(self, method: str, path: str, json: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise SourceOutageError(
                f"Kafka Connect at {self._shown} does not answer ({type(error).__name__}: {error}); "
                "start it, or correct setting connect_url (KB_CONNECT_URL), and try again"
            ) from None  # the request, which the cause holds, carries a password

    def _refusal(self, response: httpx.Response) -> SourceError:
        try:
            reason = str(response.json()["message"])
        except (ValueError, KeyError, TypeError):
            reason = response.text
        kind = SourceOutageError if response.is_server_error or response.status_code == httpx.codes.CONFLICT else None
        message = self._scrub(" ".join(reason.split()))[:REASON_LENGTH]
        text = f"Kafka Connect at {self._shown} answered {response.status_code}: {message}"
        return (kind or SourceError)(text)


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"
