"""The clock loop: decides about orders when one of their clocks or escalations is due."""
