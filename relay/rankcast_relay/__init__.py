"""The relay: one uplink from a sender feeds all viewers of a site."""
