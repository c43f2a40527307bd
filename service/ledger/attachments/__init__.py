"""Files that go with the notes of orders."""
