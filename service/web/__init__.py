"""HTTP: the API, callbacks, pages, and what operators ask."""
