"""Apprise's HTTP through the guard: its plugins can reach what `alerts.channels.guard` allows, and nothing else.

The plugins call `requests.post` and its like on the module that they imported. In the modules of the plugins that are
used here, that name stands for a stand-in whose sessions have no adapter but ours: every request goes out by
`guard.post`, to a checked address, without redirects, proxies, .netrc files and cookies of the environment, inside of
the time that is left. `requests` itself stays as it is for everybody else. A plugin that does not use it that way is
not used at all (`Unusable`).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from alerts.channels import guard
from alerts.channels.base import NotDelivered

_VERBS: Final = ("get", "options", "head", "post", "put", "patch", "delete")
_PLUGINS: Final = "apprise.plugins"


class Unusable(Exception):
    """The plugin makes its requests in another way than this module knows."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What happened while one message was sent: the last answer and whose it was, or why there was none."""

    deadline: float
    host: str = ""
    answer: guard.Answer | None = None
    failure: NotDelivered | None = None


_exchange: ContextVar[Exchange | None] = ContextVar("chat_exchange", default=None)


@contextlib.contextmanager
def exchange(seconds: float) -> Iterator[Exchange]:
    """Plugins may make requests inside of this, in this thread, and only so."""
    found = Exchange(deadline=time.monotonic() + seconds)
    token = _exchange.set(found)
    try:
        yield found
    finally:
        _exchange.reset(token)


def confine(plugin: type[object]) -> None:
    """Has the plugin's modules make their requests here; raises Unusable where there is none to be seen."""
    package = plugin.__module__
    if not package.startswith(f"{_PLUGINS}."):
        raise Unusable(package)
    package = ".".join(package.split(".")[:3])
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")]
    confined = [module for module in modules if isinstance(vars(module).get("requests"), ModuleType)]
    for module in confined:
        vars(module)["requests"] = _STAND_IN
    if not confined:
        raise Unusable(package)


class _Adapter(BaseAdapter):
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One request by the guard; how long it may take, and what is verified, is not the plugin's say."""
        now = _exchange.get()
        if now is None:
            raise requests.ConnectionError("no message is being sent", request=request)
        url = request.url or ""
        now.host, now.answer = urlsplit(url).hostname or "", None
        try:
            left = now.deadline - time.monotonic()
            if left <= 0:
                raise NotDelivered(f"{now.host} did not take the message in time. It is tried again later.")
            headers = {name: _text(value) for name, value in (request.headers or {}).items() if name not in _OURS}
            now.answer = guard.post(
                url, body=_content(request.body), headers=headers, seconds=left, method=request.method or "POST"
            )
        except NotDelivered as problem:
            now.failure = problem
            raise requests.ConnectionError("not delivered", request=request) from None
        now.failure = None
        return _response(request, now.answer)

    def close(self) -> None:
        """Nothing: every request has its own connection."""


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())


_OURS: Final = frozenset({"Connection", "Content-Length", "Transfer-Encoding", "Accept-Encoding"})


def _ask(method: str, url: str, **options: Any) -> requests.Response:
    with _Session() as session:
        return session.request(method=method, url=url, **options)


def _stand_in() -> ModuleType:
    module = ModuleType("requests", "Like requests, with connections by the guard.")
    found = {name: value for name, value in vars(requests).items() if not isinstance(value, ModuleType)}
    vars(module).update(found | {"exceptions": requests.exceptions, "codes": requests.codes})
    vars(module).update({"Session": _Session, "session": _Session, "request": _ask})
    vars(module).update({verb: partial(_ask, verb) for verb in _VERBS})
    return module


_STAND_IN: Final = _stand_in()


def _content(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if isinstance(body, io.IOBase):
        return bytes(body.read())
    raise NotDelivered("The chat service's plugin sends something that is no text and no picture.", permanent=True)


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _response(request: requests.PreparedRequest, answer: guard.Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = http.client.responses.get(answer.status, "")
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.body)
    response.url, response.request = request.url or "", request
    return response
