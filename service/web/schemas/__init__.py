"""What calls take and answer; the OpenAPI document is made from these types."""
