"""Diagnosis: what stands between the settings and a run, found out by reads alone, one check after another."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, NamedTuple

import attrs
from yarl import URL

from welkin_async.cli.options.connection import ResolvedConnection
from welkin_async.cli.wording import CommandError
from welkin_async.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RequestError,
    WelkinError,
)
from welkin_async.session import Welkin
from welkin_async.wire.request import Answer

_REACH = 10.0  # seconds: as long as a session gives a connection
_ATTEMPTS = 2  # of each request: who asks what is wrong does not want to wait for it
# Seconds. Look-ups take clocks to differ by 5 at least; beyond 300 stamps of rows and of audits no longer go together.
_SKEW_NOTICED, _SKEW_WRONG = 5.0, 300.0


class State(StrEnum):
    """What a check has found."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Resource(StrEnum):
    """What a client may have a right to read."""

    PATIENTS = "patients"
    CDTS = "cdts"
    ASSESSMENTS = "assessments"
    DOCUMENTS = "documents"
    ENCOUNTERS = "encounters"
    PROGRAMS = "programs"
    CARE_PLANS = "care-plans"
    EMAILS = "emails"
    SMS = "sms"
    USERS = "users"
    EXPORTS = "exports"
    AUDITS = "audits"


@attrs.frozen
class Finding:
    """Finding: what a check has found.

    Attributes:
        check: What was looked at.
        state: Whether it is as it should be.
        text: What was found; neither a secret nor anything of a patient.
        advice: What to do about it; empty where nothing is to be done.
    """

    check: str
    state: State
    text: str
    advice: str = ""


class Probe(NamedTuple):
    """Probe: a read that shows whether the api client may read a resource.

    Attributes:
        resource: What the resource is called.
        path: The path's template.
        query: Query parameters.
        cdt: Whether the path names a CDT.
    """

    resource: Resource
    path: str
    query: dict[str, Any] = {}  # noqa: RUF012 - it is not changed
    cdt: bool = False


_INSTANCE, _ADMIN = "/{tenant}/{instance}", "/{tenant}/admin"
_PATIENT = f"{_INSTANCE}/patients/{{patient_id}}"
_FEW = {"page": 0, "size": 1}
PATIENTS = Probe(Resource.PATIENTS, f"{_INSTANCE}/patients", _FEW)
PROBES = (
    Probe(Resource.CDTS, f"{_PATIENT}/cdts/{{cdt_name}}", _FEW, cdt=True),
    Probe(Resource.ASSESSMENTS, f"{_PATIENT}/assessment-records", _FEW),
    Probe(Resource.DOCUMENTS, f"{_PATIENT}/document-summary", _FEW),
    Probe(Resource.ENCOUNTERS, f"{_PATIENT}/encounters", _FEW),
    Probe(Resource.PROGRAMS, f"{_PATIENT}/programs", _FEW),
    Probe(Resource.CARE_PLANS, f"{_PATIENT}/care-plan/goals", _FEW),
    Probe(Resource.EMAILS, f"{_PATIENT}/emails", _FEW),
    Probe(Resource.SMS, f"{_PATIENT}/sms", _FEW),
    Probe(Resource.USERS, f"{_ADMIN}/users", _FEW),
    Probe(Resource.EXPORTS, f"{_INSTANCE}/export/{{resource_name}}", {"pageSize": 1}),
    Probe(Resource.AUDITS, f"{_ADMIN}/audit-data", _FEW),
)
_GRANTS = {
    Resource.USERS: "it needs the User Provision flag",
    Resource.EXPORTS: "it needs a policy for the export of data",
    Resource.AUDITS: "it needs the Data Audit flag",
}


class Diagnosis:
    """Diagnosis: the checks of one connection, in the order in which one needs the other.

    Args:
        connection: The settings that were found.
        resources: Resources that must be readable; empty for all, where a missing right is a warning.
        cdts: CDTs whose formations must be readable; empty for the list of all.

    Attributes:
        findings: What was found so far.
    """

    def __init__(
        self, connection: ResolvedConnection, resources: Sequence[Resource] = (), cdts: Sequence[str] = ()
    ) -> None:
        self._connection = connection
        self._resources = resources
        self._cdts = list(cdts)
        self._patient: str | None = None
        self._skew: float | None = None
        self.findings: list[Finding] = []

    @property
    def usable(self) -> bool:
        """Whether the settings were enough to ask the server anything."""
        return not any(each.check == "settings" and each.state is State.FAILED for each in self.findings)

    @property
    def failed(self) -> bool:
        """Whether a check has failed."""
        return any(each.state is State.FAILED for each in self.findings)

    async def run(self) -> None:
        """Make every check; what depends on one that failed is skipped."""
        session = await self._session()
        if session is None:
            return
        async with session as welkin:
            if not await self._reach(URL(welkin.settings.base_url)):
                self._skip("no connection", "token", "instance", "formations", "clock")
            elif not await self._token(welkin):
                self._skip("no token", "instance", "formations", "clock")
            elif not await self._instance(welkin):
                self._skip("the instance does not answer", "formations")
                self._clock()
            else:
                await self._formations(welkin)
                for probe in PROBES:
                    if not self._resources or probe.resource in self._resources:
                        await self._may_read(welkin, probe)
                self._clock()

    def _add(self, check: str, state: State, text: str, advice: str = "") -> None:
        self.findings.append(Finding(check, state, text, advice))

    def _skip(self, why: str, *checks: str) -> None:
        for check in checks:
            self._add(check, State.SKIPPED, why)

    async def _session(self) -> Welkin | None:
        """Return a session with what was found."""
        missing = self._connection.missing
        for line in missing:
            name, _, advice = line.partition(": ")
            self._add("settings", State.FAILED, name, advice)
        if missing:
            return None
        try:
            # A command or a keyring may ask its user, and the event loop has nothing else to do.
            session = await asyncio.to_thread(self._connection.session)
        except CommandError as error:
            self._add("settings", State.FAILED, str(error))
            return None
        self._add("settings", State.OK, "complete")
        return session

    async def _reach(self, url: URL) -> bool:
        """Connect to the host, which a token request would do, too, but could not tell from other troubles."""
        context = ssl.create_default_context() if url.scheme == "https" else None
        began = time.monotonic()
        advice = "check the environment or base URL, the network, and a proxy that must be gone through"
        try:
            async with asyncio.timeout(_REACH):
                _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        except TimeoutError:
            text = f"no connection within {_REACH:.0f} s"
        except ssl.SSLCertVerificationError as error:
            text, advice = f"its certificate is not trusted: {error.verify_message}", "check what stands between"
        except ssl.SSLError as error:
            text = f"no TLS connection: {error.reason or type(error).__name__}"
        except socket.gaierror:
            text = "its name is not known"
        except OSError as error:
            text = f"no connection: {error.strerror or type(error).__name__}"
        else:
            self._add("host", State.OK, f"reached in {1000 * (time.monotonic() - began):.0f} ms")
            writer.close()
            return True
        self._add("host", State.FAILED, text, advice)
        return False

    async def _token(self, welkin: Welkin) -> bool:
        """Ask for a token."""
        began = time.monotonic()
        try:
            await welkin.transport.tokens.get()
        except AuthenticationError as error:
            advice = "check tenant, api client and secret, and that the client is enabled"
            self._add("token", State.FAILED, f"refused ({error.status})", advice)
        except WelkinError as error:
            self._add("token", State.FAILED, _reason(error))
        else:
            self._add("token", State.OK, f"granted in {1000 * (time.monotonic() - began):.0f} ms")
            return True
        return False

    async def _instance(self, welkin: Welkin) -> bool:
        """Ask for one patient, which shows whether there is such an instance, and gives what others are asked by."""
        try:
            answer = await self._ask(welkin, PATIENTS)
        except NotFoundError:
            advice = "check the instance's name, and that the api client has access to it"
            self._add("instance", State.FAILED, "the server knows no such instance (404)", advice)
            return False
        except AuthenticationError as error:
            self._add("instance", State.FAILED, f"a fresh token is refused ({error.status})", "check the api client")
            return False
        except PermissionDeniedError as error:
            needed = not self._resources or PATIENTS.resource in self._resources
            self._denied(PATIENTS, error, State.FAILED if needed else State.WARNING)
            return True
        except RequestError as error:
            self._add("instance", State.FAILED, _reason(error))
            return False
        self._add("instance", State.OK, "it answers")
        self._add("may read patients", State.OK, "yes")
        content = answer.data.get("content") if isinstance(answer.data, dict) else None
        first = content[0] if isinstance(content, list) and content else None
        found = first.get("id") if isinstance(first, dict) else None
        self._patient = found if isinstance(found, str) else None
        return True

    async def _formations(self, welkin: Welkin) -> None:
        """Read what rows are checked against."""
        cdts = welkin.formations().cdts
        try:
            if self._cdts:
                for name in self._cdts:
                    fields = (await cdts.get(name, max_attempts=_ATTEMPTS)).fields or ()
                    self._add(f"formation of {name}", State.OK, f"{len(fields)} fields")
                return
            listed = await cdts.list(max_attempts=_ATTEMPTS)
            self._cdts = [each.name for each in listed if each.name and each.fields][:1]
        except NotFoundError:
            advice = "check --cdt; welkin-async describe shows all that there are"
            self._add("formations", State.FAILED, "there is no such CDT (404)", advice)
        except PermissionDeniedError:
            advice = "rows cannot be checked before they are sent: grant it, or give --check off"
            self._add("formations", State.FAILED, "no right to read them (403)", advice)
        except WelkinError as error:
            self._add("formations", State.FAILED, _reason(error))
        else:
            self._add("formations", State.OK, f"{len(listed)} custom data types")

    async def _may_read(self, welkin: Welkin, probe: Probe) -> None:
        """Find out whether a resource may be read."""
        check = f"may read {probe.resource}"
        if "{patient_id}" in probe.path and self._patient is None:
            self._add(check, State.SKIPPED, "there is no patient to ask it for")
        elif probe.cdt and not self._cdts:
            self._add(check, State.SKIPPED, "no custom data type is known")
        else:
            try:
                await self._ask(welkin, probe)
            except RequestError as error:
                self._denied(probe, error, State.FAILED if self._resources else State.WARNING)
            else:
                self._add(check, State.OK, "yes")

    def _denied(self, probe: Probe, error: RequestError, state: State) -> None:
        denied = isinstance(error, PermissionDeniedError)
        advice = _GRANTS.get(probe.resource, "it needs a policy of the api client's role") if denied else ""
        self._add(f"may read {probe.resource}", state, "no right (403)" if denied else _reason(error), advice)

    async def _ask(self, welkin: Welkin, probe: Probe) -> Answer:
        names = {"patient_id": self._patient, "cdt_name": next(iter(self._cdts), None), "resource_name": "PATIENT"}
        path = {name: value for name, value in names.items() if f"{{{name}}}" in probe.path and value is not None}
        began = datetime.now(UTC)
        answer = await welkin.request("GET", probe.path, path=path, query=probe.query, max_attempts=_ATTEMPTS)
        stamp = answer.headers.get("Date")
        if self._skew is None and stamp is not None:
            try:
                # The stamp has no fractions: it is half a second behind, on the average.
                server = parsedate_to_datetime(stamp).timestamp() + 0.5
            except ValueError:
                return answer
            middle = (began.timestamp() + datetime.now(UTC).timestamp()) / 2
            self._skew = server - middle
        return answer

    def _clock(self) -> None:
        """Say by how much this machine's clock differs from the server's."""
        skew = self._skew
        if skew is None:
            self._add("clock", State.SKIPPED, "no answer said what time it is")
            return
        words = f"the server's is {abs(skew):,.0f} s {'ahead' if skew > 0 else 'behind'}"
        if abs(skew) <= _SKEW_NOTICED:
            self._add("clock", State.OK, "it goes with the server's")
        else:
            state = State.WARNING if abs(skew) <= _SKEW_WRONG else State.FAILED
            self._add("clock", state, words, "set this machine's clock, by NTP for one")


def _reason(error: WelkinError) -> str:
    return error.reason if isinstance(error, RequestError) else str(error)
