"""Files that go with notes: which are taken, and where they are kept."""
