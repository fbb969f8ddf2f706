"""Ray nodes on loopback addresses, in a network namespace where there is nothing else; each may be killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD, OTHER = "127.0.0.2", "127.0.0.3"  # Ray takes the interface's address in place of 127.0.0.1
PORT = 6399
WORKER = b"ray::ChunkWorker"
_START = 120.0  # seconds
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1

# A namespace of its own for the network, so that nobody else reaches Ray's ports, and one for processes, so that none
# outlives the scene; the shell reaps those whose parents died.
_SPACES = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def alone() -> list[str] | None:
    """The beginning of a command that runs by itself; None where that is not allowed."""
    if shutil.which("unshare") is None:
        return None
    for user in ((), ("--user", "--map-root-user")):
        command = ["unshare", *user, *_SPACES, "sh", "-c", '"$@"; exit $?', "sh"]
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return None


def loopback_up() -> None:
    """Bring the loopback interface of this namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def running(begin: bytes, *words: bytes) -> list[int]:
    """The processes whose command line begins with a word and has others in it."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                line = path.joinpath("cmdline").read_bytes()
                state = path.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if begin in line.split(b"\0", 1)[0] and all(word in line for word in words) and state != "Z":
                found.append(int(path.name))
    return sorted(found)


class Nodes:
    """Two nodes of a Ray cluster.

    Args:
        folder: Where Ray keeps its sockets and logs; a short path.
        cpus: Of each node.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self._folder = folder
        self._cpus = cpus
        self._variables: Mapping[str, str] = {}
        self.address = f"{HEAD}:{PORT}"

    def start(self, variables: Mapping[str, str]) -> None:
        """Start both.

        Args:
            variables: Of the environment of all their processes.
        """
        self._variables = variables
        quick = '{"health_check_initial_delay_ms":500,"health_check_period_ms":500,"health_check_failure_threshold":3}'
        self._start("--head", f"--port={PORT}", "--disable-usage-stats", f"--system-config={quick}", node=HEAD)
        self._start(f"--address={self.address}", node=OTHER)

    def workers(self, node: str | None = None) -> list[int]:
        """The processes of workers, of one node alone where it is given."""
        return [pid for pid in running(WORKER) if node is None or self.node_of(pid) == node]

    @staticmethod
    def node_of(pid: int) -> str:
        """The node that a worker's process is of."""
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        raylet = Path(f"/proc/{parent}/cmdline").read_bytes()
        for node in (HEAD, OTHER):
            if f"--node_ip_address={node}".encode() in raylet or f"RAY_NODE_IP={node}".encode() in variables:
                return node
        return ""

    @staticmethod
    def kill(node: str) -> int:
        """Kill a node as the end of its machine would: its raylet and all processes of it; returns how many."""
        raylets = running(b"raylet", f"--node_ip_address={node}".encode())
        pids = [*raylets, *(pid for pid in _children(raylets))]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def _start(self, *options: str, node: str) -> None:
        common = (
            *(f"--node-ip-address={node}", f"--num-cpus={self._cpus}", "--object-store-memory=80000000"),
            *(["--include-dashboard=false", f"--temp-dir={self._folder}"] if "--head" in options else []),
        )
        with (self._folder.parent / f"{self._folder.name}-{node}.log").open("wb") as log:
            done = subprocess.run(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *common],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment(), **self._variables},
                timeout=_START,
            )
        assert done.returncode == 0, Path(log.name).read_text()
        deadline = time.monotonic() + _START
        while not running(b"raylet", f"--node_ip_address={node}".encode()):
            assert time.monotonic() < deadline
            time.sleep(0.1)


class RedisStore:
    """A Redis server that keeps what is written, and may be killed.

    Args:
        folder: Where it writes to.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {"bind": "127.0.0.1", "port": str(self._port), "dir": str(self._folder), "save": ""}
        settings |= {"appendonly": "yes", "appendfsync": "always"}
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START
        while not _answers(self._port):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(parents: Sequence[int]) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in parents:
                found.append(int(path.name))
    return found


def environment() -> dict[str, Any]:
    """Variables for Ray's processes: nothing is sent home, and the package is found where this one is.

    Ray's workers are as nice as any process: by default (15) they get three hundredths of a processor beside tests that
    keep all of them busy, and need minutes to start.
    """
    root = str(Path(__file__).parents[2])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_worker_niceness": "0",
    }
