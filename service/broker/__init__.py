"""The message broker: a port with two adapters, RabbitMQ and an in-process one."""
