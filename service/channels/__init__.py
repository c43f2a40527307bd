"""The ways to a reader: a folder a channel, behind one Protocol."""
