"""The message broker: a port and its two adapters, RabbitMQ and one inside the process."""
