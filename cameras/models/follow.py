"""Whom operators follow live."""

from __future__ import annotations

from django.db import models

from accounts.models import User
from cameras.models.identity import Identity


class Follow(models.Model):
    """Somebody follows an identity, since when and until when; one without an end is over after FOLLOW_HOURS.

    An identity that was merged into another one is followed there: `merged_into` leads to it. With the identity the
    follow goes.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="follows")
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="follows")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-since", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "identity"], condition=models.Q(until=None), name="one_open_follow_a_user"
            )
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} follows identity {self.identity_id}"
