"""Many datagrams by one call of the system (Linux's `recvmmsg`), which Python has no function for.

What belongs here: that call, and a plain one where there is none. What does not: what becomes of
the datagrams (`datagrams.py`).

A thread that receives one by one lets go of Python's lock for each, and gets it back when the
others let it: while they work that is some hundred times a second, and the kernel drops the rest.
This one has to get it back once for all that have come.
"""

import ctypes
import errno
import socket
from typing import Protocol

import numpy as np

_AT_ONCE = 512
_BYTES = 65_536
_NAME_BYTES = 28  # of an IPv6 address, the longer one
_MSG_WAITFORONE, _MSG_DONTWAIT = 0x10000, 0x40
_NOTHING = {errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED}

Datagrams = list[tuple[bytes, str]]


class Receiver(Protocol):
    """Waits for datagrams, as long as the socket's timeout; none if none came."""

    def receive(self, *, waits: bool = True) -> Datagrams: ...


class _Part(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Head(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t), ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class _Message(ctypes.Structure):
    """struct mmsghdr: a head, and how long what was received is."""

    _fields_ = (("head", _Head), ("length", ctypes.c_uint32))


class ManyAtOnce:
    """By `recvmmsg`."""

    def __init__(self, opened: socket.socket) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._descriptor = opened.fileno()
        self._is_v6 = opened.family == socket.AF_INET6
        self._names: dict[bytes, str] = {}
        # Of each datagram only as many pages are touched as it has.
        self._data = bytearray(_AT_ONCE * _BYTES)
        self._addresses = bytearray(_AT_ONCE * _NAME_BYTES)
        data, addresses = (
            ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
            for buffer in (self._data, self._addresses)
        )
        self._parts = (_Part * _AT_ONCE)(
            *(_Part(data + n * _BYTES, _BYTES) for n in range(_AT_ONCE))
        )
        parts, size = ctypes.addressof(self._parts), ctypes.sizeof(_Part)
        self._messages = (_Message * _AT_ONCE)(
            *(
                _Message(_Head(addresses + n * _NAME_BYTES, _NAME_BYTES, parts + n * size, 1))
                for n in range(_AT_ONCE)
            )
        )
        at, width = _Message.length.offset, ctypes.sizeof(_Message)
        self._lengths = np.frombuffer(memoryview(self._messages).cast("B"), np.uint8).reshape(
            _AT_ONCE, width
        )[:, at : at + 4]

    def receive(self, *, waits: bool = True) -> Datagrams:
        """What has come, up to some hundred; waits for the first."""
        flags = _MSG_WAITFORONE if waits else _MSG_DONTWAIT
        count = self._call(self._descriptor, self._messages, _AT_ONCE, flags, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in _NOTHING:
                return []
            raise OSError(number, "recvmmsg")
        lengths = self._lengths[:count].copy().view(np.uint32).ravel().tolist()
        data, name_of = memoryview(self._data), self._name_of
        return [
            (bytes(data[n * _BYTES : n * _BYTES + length]), name_of(n))
            for n, length in enumerate(lengths)
        ]

    def _name_of(self, n: int) -> str:
        begin = n * _NAME_BYTES
        # sockaddr_in has the address after family and port, sockaddr_in6 after the flow too.
        place = slice(begin + 8, begin + 24) if self._is_v6 else slice(begin + 4, begin + 8)
        raw = bytes(self._addresses[place])
        name = self._names.get(raw)
        if name is None:
            if len(self._names) > _AT_ONCE * 20:
                self._names.clear()
            family = socket.AF_INET6 if self._is_v6 else socket.AF_INET
            name = self._names[raw] = socket.inet_ntop(family, raw)
        return name


class OneByOne:
    """By `recvfrom`, for systems without the other."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def receive(self, *, waits: bool = True) -> Datagrams:
        """The next one."""
        try:
            payload, address = self._socket.recvfrom(_BYTES, 0 if waits else _MSG_DONTWAIT)
        except OSError as error:
            if error.errno in _NOTHING:
                return []
            raise
        return [(payload, address[0])]


def receiver(opened: socket.socket) -> Receiver:
    """The quickest that this system has."""
    return ManyAtOnce(opened) if hasattr(ctypes.CDLL(None), "recvmmsg") else OneByOne(opened)
