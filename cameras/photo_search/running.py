"""Runs searches by photo over unknown people, in the process that holds their templates in memory."""

from __future__ import annotations

from cameras.identities.unknowns import Unknowns


def run_waiting(unknowns: Unknowns) -> bool:
    """Runs a search that waits, if there is one; whether there was."""
    return False
