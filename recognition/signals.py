"""What this room tells the others about people (that two were merged: `recognition.merging.people_merged`)."""

from __future__ import annotations

from django.dispatch import Signal

# Sent first of all in a transaction that merges or deletes people, before any row is locked: rooms that take turns in
# changing what belongs to people wait for theirs here, so that nobody waits for them who has locked a person.
people_will_change = Signal()

# Sent with `person`, inside the transaction, before the person is deleted and while their rows still point to them. It
# is their right that nothing about them stays: who listens deletes or wipes everything, whoever wrote it.
person_deleted = Signal()
