"""What is sent when it changes whose sightings are whose. Rooms that keep something about sightings listen.

Both are sent inside the transaction; who listens writes rows only, and does everything else after the commit.
"""

from __future__ import annotations

from django.dispatch import Signal

# Sent with `sightings`, a tuple of their ids, after they were given to somebody else by hand, or by undoing that.
sightings_reassigned = Signal()

# Sent with `sightings`, a tuple of their ids, `person` (a Person, or None where nobody knows who it was) and
# `identities` (a tuple of ids), when their sightings are wiped and these rows are still there: whatever else is about
# them has to go now.
somebody_erased = Signal()
