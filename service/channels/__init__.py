"""The channels: one folder each, behind one Protocol."""
