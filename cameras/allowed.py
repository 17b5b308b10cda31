"""Where this site looks for cameras: the network policy of the settings."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from cameras.network import NetworkPolicy, PolicyError, policy_of
from config.env import SettingError


def camera_network() -> NetworkPolicy:
    """The policy of CAMERA_SCHEMES, CAMERA_PORTS and CAMERA_NETWORKS; raises SettingError where one can not be used."""
    return _policy(tuple(settings.CAMERA_SCHEMES), tuple(settings.CAMERA_PORTS), tuple(settings.CAMERA_NETWORKS))


@lru_cache(maxsize=8)
def _policy(schemes: tuple[str, ...], ports: tuple[str, ...], networks: tuple[str, ...]) -> NetworkPolicy:
    try:
        return policy_of(schemes=schemes, ports=ports, networks=networks)
    except PolicyError as error:
        raise SettingError(f"CAMERA_{error.part.upper()}", error.value, error.allowed) from None
