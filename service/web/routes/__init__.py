"""The table of routes: a file for each group, `table` for all of them."""
