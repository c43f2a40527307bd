"""Conditions on an order's data: `tree` defines them, `judging` evaluates them, `fields` lists what they can ask."""
