"""Customers' messages to us: stored sealed, with their order, or in the tray if the order is unknown."""
