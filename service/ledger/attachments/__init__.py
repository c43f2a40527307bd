"""Files attached to the notes of orders."""
