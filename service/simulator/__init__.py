"""Plays orders of any pack, as its `demo` section tells them."""
