"""Users, API keys, the audit trail, and the data keys of the vault."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person who works with Lynceus. What they may do follows from their groups (see roles.py)."""


class ApiKey(models.Model):
    """A program's credential. Only a hash of the secret is stored; the secret is shown once, when it is made."""

    name = models.CharField(max_length=100)
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="api_keys", help_text="The key may do what this user may do."
    )
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """What somebody did, to what, and when. Rows are only ever added."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(
        max_length=150, help_text="Kept when the account is gone; 'system' for Lynceus itself."
    )
    verb = models.CharField(max_length=50)
    target = models.CharField(max_length=100)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.verb} {self.target}"


class DataKey(models.Model):
    """A data-encryption key, itself sealed by a versioned key-encryption key. Deleting it shreds what it sealed."""

    scope = models.CharField(
        max_length=100, unique=True, help_text="What it seals, such as person:12 or sightings:2026-11-22."
    )
    wrapped = models.BinaryField()
    kek_version = models.PositiveIntegerField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.scope
