"""What a rule about a watchlist begins with, and what its list asks of alerts, by the category of the list.

Somebody who is missed is looked for at once and by everybody; somebody who works here is only noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from alerts.models import CooldownScope, Severity
from recognition.models import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDefaults:
    """`escalate_minutes`: after how long nobody's answer should be told to further people; None: not at all.

    The rest but `two_person_advised` is what a new list's policy has: `two_person_advised` is what its form suggests.
    """

    severity: Severity
    cooldown_seconds: int = 60
    cooldown_scope: CooldownScope = CooldownScope.PERSON_CAMERA
    bundle: bool = True
    escalate_minutes: int | None = None
    two_person: bool = False
    two_person_advised: bool = False
    pictures_outside: bool = False
    names_outside: bool = True


DEFAULTS: Final[Mapping[Category, RuleDefaults]] = MappingProxyType(
    {
        Category.MISSING: RuleDefaults(severity=Severity.CRITICAL, escalate_minutes=5),
        Category.WANTED: RuleDefaults(severity=Severity.HIGH, escalate_minutes=5, two_person_advised=True),
        Category.BARRED: RuleDefaults(severity=Severity.HIGH, escalate_minutes=10),
        Category.VIP: RuleDefaults(
            severity=Severity.MEDIUM, cooldown_seconds=10 * 60, cooldown_scope=CooldownScope.PERSON
        ),
        Category.STAFF: RuleDefaults(
            severity=Severity.LOW, cooldown_seconds=60 * 60, cooldown_scope=CooldownScope.PERSON, names_outside=False
        ),
        Category.OTHER: RuleDefaults(severity=Severity.MEDIUM),
    }
)
