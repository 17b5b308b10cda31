"""Why a stream gives no pictures, in sentences that are the same for every protocol. None holds credentials."""

from __future__ import annotations

from cameras.sources import Address
from cameras.video.types import SourceFailed


def asks_for_login(address: Address, *, had_login: bool) -> SourceFailed:
    if had_login:
        return SourceFailed(f"{address.shown} refuses the user name or the password. Check both.")
    return SourceFailed(
        f"{address.shown} asks for a user name and a password. Write them before the host, as user:password@host."
    )


def unknown_login(address: Address) -> SourceFailed:
    return SourceFailed(
        f"{address.shown} asks to sign in with Digest and SHA-256, which is not supported for RTSP. Set the camera to "
        "Digest with MD5, or to Basic."
    )


def no_stream(address: Address) -> SourceFailed:
    return SourceFailed(f"The camera answers, but it has no stream at {address.shown}. Check the path in its manual.")


def answers_with_error(address: Address, status: int, words: str) -> SourceFailed:
    said = "".join(c for c in words if c.isprintable())[:60].strip()
    return SourceFailed(
        f"{address.shown} answers with the error {status}{f' ({said})' if said else ''}. Wait, or restart the camera."
    )


def silent(address: Address, seconds: float) -> SourceFailed:
    return SourceFailed(
        f"{address.shown} accepts the connection, but sent nothing usable for {seconds:.0f} seconds. Check that it is "
        "a camera's address; if it is, restart the camera."
    )


def broke_off(address: Address) -> SourceFailed:
    return SourceFailed(f"{address.shown} broke off the connection. Check the network and the camera's load.")


def other_protocol(address: Address) -> SourceFailed:
    return SourceFailed(
        f"{address.host} answers on port {address.port}, but does not speak {address.scheme.upper()}. Check the port "
        "and how the address starts."
    )


def no_video(address: Address, what: str) -> SourceFailed:
    return SourceFailed(
        f"{address.shown} answers, but gives no video{f' ({what})' if what else ''}. Check the path and the kind "
        "of the stream."
    )


def bad_certificate(address: Address) -> SourceFailed:
    return SourceFailed(
        f"{address.host} has no certificate that can be trusted, which public addresses must have. Give the name that "
        "its certificate is for, or reach it by a private network."
    )


def too_many_hops(address: Address) -> SourceFailed:
    return SourceFailed(f"{address.shown} redirects again and again. Give the address where the stream really is.")


def bad_hop(address: Address) -> SourceFailed:
    return SourceFailed(
        f"{address.shown} redirects to where no stream can be. Give the address where the stream really is."
    )
