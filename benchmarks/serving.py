"""Servers as context managers: nginx with canned answers, the canned server of our own, the sandbox."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks import payloads

__all__ = [
    "CLIENT_CORE",
    "SERVER_CORE",
    "add_patients",
    "certificates",
    "nginx_version",
    "on_core",
    "refuse_by_chance",
    "serving",
]

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENT_CORE: int | None = _CORES[0] if len(_CORES) > 1 else None
"""The core the sides run on; None where the system does not pin."""
SERVER_CORE: int | None = _CORES[1] if len(_CORES) > 1 else None
"""The core the server runs on."""

_ROOT = Path(__file__).resolve().parents[1]
_NGINX = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 12000; multi_accept on; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  reset_timedout_connection on;
  etag off;
  open_file_cache max=20000;
  open_file_cache_valid 3600s;
  sendfile on;
  tcp_nodelay on;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $arg_page $number {{ default $arg_page; "" 0; }}
  map $arg_size $many {{ default $arg_size; "" 20; }}
  server {{
    listen 127.0.0.1:{port}{tls} backlog=8192;
{certificate}    root {root};
    location ~ /admin/api_clients/ {{ return 200 '{token}'; }}
    location ~ /formations/ {{ try_files /formation.json =404; }}
    location ~ /patients/(?<patient>[^/]+)/cdts/[^/]+/(?<record>[^/]+)$ {{ return 200 '{record}'; }}
    location ~ /patients/(?<patient>[^/]+)/cdts/ {{
      if ($request_method = POST) {{ return 201 '{created}'; }}
      try_files /pages/$many/$number.json =404;
    }}
    location ~ /patients/(?<patient>[^/]+)$ {{ return 200 '{patient}'; }}
  }}
}}
"""


def nginx_version() -> str | None:
    """Return nginx's version, or None where it is not installed."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        return None
    told = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    return (told.stderr or told.stdout).strip().removeprefix("nginx version: ")


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Start processes on a core: they inherit where this one is pinned meanwhile."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _process(command: list[str], directory: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    with on_core(SERVER_CORE):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=directory or _ROOT
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _fill(root: Path, total: int) -> None:
    """Write the canned answers that are files; the pages are of patient 0, the only one whose pages are walked."""
    (root / "formation.json").write_bytes(payloads.dumps(payloads.formation()))
    for size in (20, 200):
        folder = root / "pages" / str(size)
        folder.mkdir(parents=True)
        for number in range(-(-total // size)):
            (folder / f"{number}.json").write_bytes(payloads.dumps(payloads.page(number, size, total)))


@contextlib.contextmanager
def _nginx(total: int, certificate: Path | None) -> Iterator[str]:
    path = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory(prefix="welkin-bench-") as directory, socket.socket() as free:
        root = Path(directory)
        root.chmod(0o755)  # nginx's worker may run as another user
        _fill(root, total)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = root / "nginx.conf"
        answers = {  # nginx fills in what the path names
            "token": payloads.token(),
            "created": payloads.record(patient="$patient"),
            "record": payloads.record("$record", "$patient"),
            "patient": payloads.patient("$patient"),
        }
        made = {name: payloads.dumps(value).decode() for name, value in answers.items()}
        tls = "" if certificate is None else " ssl"
        lines = ("ssl_certificate", "ssl_certificate_key") if tls else ()
        shown = "".join(f"    {name} {certificate};\n" for name in lines)
        config.write_text(_NGINX.format(port=port, root=root, tls=tls, certificate=shown, **made))
        command = [path, "-p", str(root), "-c", str(config), "-e", str(root / "error.log")]
        with _process(command, root) as process:
            _await_port(port, process)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def _await_port(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("nginx does not serve")


@contextlib.contextmanager
def serving(
    kind: str,
    *,
    latency: float = 0.0,
    total: int = 0,
    options: tuple[str, ...] = (),
    certificate: Path | None = None,
) -> Iterator[str]:
    """Serve while the context lasts.

    Args:
        kind: ``canned`` (nginx, or our own where it is not installed or answers are late), ``sandbox`` or ``none``.
        latency: Seconds each answer waits.
        total: Records on all pages together; 0 where none are walked.
        options: Further arguments of the sandbox.
        certificate: The file with certificate and key for https, which nginx alone can do here; None for http.

    Yields:
        The base URL.

    Raises:
        RuntimeError: there is no nginx for https, or the server did not start.
    """
    if certificate is not None and nginx_version() is None:
        raise RuntimeError("https is served by nginx, which is not installed")
    if kind == "none":
        yield ""
    elif kind == "canned" and not latency and nginx_version() is not None:
        with _nginx(total, certificate) as url:
            yield url
    else:
        if kind == "canned":
            command = ["benchmarks.server", f"--latency={latency}", f"--total={total}"]
        else:
            command = ["welkin_async.sandbox", "--exit-with-parent", *options]
        with _process([sys.executable, "-m", *command]) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{command[0]} does not serve")
            yield str(json.loads(line)["base_url"])


def refuse_by_chance(base_url: str, share: float) -> None:
    """Have a sandbox answer a share of all creates with 429, without Retry-After.

    Args:
        base_url: The sandbox.
        share: From 0 to 1.
    """
    fault = {"kind": "status", "status": 429, "operation": "cdts.create", "times": None, "probability": share}
    request = urllib.request.Request(f"{base_url}/_sandbox/faults", payloads.dumps(fault), method="POST")
    urllib.request.urlopen(request, timeout=30).close()


@contextlib.contextmanager
def certificates() -> Iterator[tuple[Path, Path]]:
    """Make a certificate for 127.0.0.1.

    Yields:
        The file of the authority, which clients trust, and the server's with its key.
    """
    trustme = importlib.import_module("trustme")
    authority = trustme.CA()
    with tempfile.TemporaryDirectory(prefix="welkin-bench-") as directory:
        trusted, served = Path(directory, "authority.pem"), Path(directory, "server.pem")
        authority.cert_pem.write_to_path(str(trusted))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(served))
        yield trusted, served


def add_patients(base_url: str, count: int) -> list[str]:
    """Create patients in a sandbox and return their ids.

    Args:
        base_url: The sandbox.
        count: How many.
    """
    request = urllib.request.Request(f"{base_url}/_sandbox/patients", payloads.dumps({"count": count}), method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        return list(json.load(response)["ids"])
