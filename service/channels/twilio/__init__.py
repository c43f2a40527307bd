"""Twilio: common parts of SMS and WhatsApp."""
