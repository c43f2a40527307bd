"""One file a channel, behind one Protocol."""
