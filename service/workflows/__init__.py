"""Workflow packs: reads YAML and templates, checks them and builds the domain's model."""
