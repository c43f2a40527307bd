"""Mail that comes in: bounces, complaints, replies."""
