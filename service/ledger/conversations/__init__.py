"""What people say to us: kept sealed, by order or in the tray of what no order is known for."""
