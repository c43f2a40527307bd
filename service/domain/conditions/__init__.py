"""Conditions on an order's data: `tree` says what they are, `judging` whether one holds, `fields` what can be asked."""
