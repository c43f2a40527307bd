"""HTTP: the API, provider callbacks, pages, and the health and metrics endpoints."""
