"""The dispatcher: claims, renders and sends messages, and writes the results."""
