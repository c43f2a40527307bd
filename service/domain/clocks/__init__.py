"""Clocks: promises and plans of an order. `kinds` has a file for each kind; `running` runs them."""
