"""How actors talk: messages, codec, topologies, the message log and the journal."""
