"""Notifications of an app, through FCM."""
