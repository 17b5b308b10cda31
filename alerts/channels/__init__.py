"""The ways on which messages leave: one module each, behind one interface (`alerts.channels.base`)."""
