"""Twilio: what SMS and WhatsApp share."""
