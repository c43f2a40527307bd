"""Workflow packs: YAML and templates, read, checked and turned into the domain's model."""
