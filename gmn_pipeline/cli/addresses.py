"""Addresses that commands listen on.

What belongs here: what is asked of an address before a server gets it. What does not: the servers.
"""

import socket

from gmn_pipeline.errors import ServiceRunning, SettingsError


def must_be_free(host: str, port: int) -> None:
    """Raises ServiceRunning if a server has the port, SettingsError for an unusable address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen()
    except socket.gaierror as error:
        raise SettingsError(
            f"--host {host} is no address: {error.strerror}.", remedy="Give one of this machine."
        ) from error
    except OSError as error:
        raise ServiceRunning(
            f"Port {port} of {host} cannot be had: {error.strerror}.",
            remedy="Stop the program that has it, or give another with --port.",
        ) from error
