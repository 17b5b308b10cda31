"""Who may do what, and what did they do? Users, roles, API keys, the audit trail, and the vault that seals secrets."""
