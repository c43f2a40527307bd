"""The pages that people keep open all day: they read views and act through the same causes as the API."""
