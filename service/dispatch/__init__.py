"""Messages out: claimed, rendered, sent, and their answers written back."""
