"""Where the parts of the stack listen, and whether they can."""

import errno
import os
import socket
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

LOOPBACK: Final = "127.0.0.1"


class PortTaken(Exception):
    """The stack can't listen at an address; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts listen."""

    host: str
    port: int
    prefect_port: int
    sandbox_port: int

    @property
    def studio(self) -> str:
        """The studio and the API."""
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def docs(self) -> str:
        """The API's documentation."""
        return f"{self.studio}/api/docs"

    @property
    def prefect(self) -> str:
        """Prefect's UI."""
        return f"http://{_reachable(self.host)}:{self.prefect_port}"

    @property
    def sandbox(self) -> str:
        """The sandbox; only ever on this machine."""
        return f"http://{LOOPBACK}:{self.sandbox_port}"

    def free(self) -> "Addresses":
        """The same where nothing listens yet, else the next free ports."""
        port = next_free(self.host, self.port)
        prefect = next_free(self.host, self.prefect_port, {port})
        return Addresses(self.host, port, prefect, next_free(LOOPBACK, self.sandbox_port, {port, prefect}))


def next_free(host: str, port: int, but: Container[int] = ()) -> int:
    """The first port from this one on that nobody has; the same one where the host itself can't be listened on."""
    wanted = (candidate for candidate in range(port, 65536) if candidate not in but)
    return next((candidate for candidate in wanted if not _in_use(port_fault(host, candidate))), port)


def refuse_taken(wanted: Sequence[tuple[str, str, int]]) -> None:
    """Raise `PortTaken` for the first of these (option, host, port) that the stack can't listen on."""
    for (one, _, port), (other, _, same) in combinations(wanted, 2):
        if port == same:
            raise PortTaken(f"{one} and {other} are both {port}; choose different ones.")
    for option, host, port in wanted:
        fault = port_fault(host, port)
        if _in_use(fault):
            raise PortTaken(f"Port {port} on {host} is in use; stop what uses it or choose another with {option}.")
        if fault:
            raise PortTaken(f"The stack can't listen on {host}, port {port}: {fault.strerror}.")


def port_fault(host: str, port: int) -> OSError | None:
    """Why we could not listen there; None when we could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _in_use(fault: OSError | None) -> bool:
    return fault is not None and fault.errno == errno.EADDRINUSE


def _reachable(host: str) -> str:
    return LOOPBACK if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - only recognised


def unproxied(at: Addresses) -> dict[str, str]:
    """Environment in which a proxy, set for the internet, is not asked for the parts on this machine."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(host for host in (listed, LOOPBACK, "localhost", _reachable(at.host)) if host)
    return {"no_proxy": hosts, "NO_PROXY": hosts}
