"""Who must be told, and what did they decide? Rules, alerts, and their delivery."""
