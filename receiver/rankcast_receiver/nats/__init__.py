"""Receiving from a NATS server: every camera of every site, or some of them."""

from rankcast_receiver.nats.inlet import NatsInlet

__all__ = ["NatsInlet"]
