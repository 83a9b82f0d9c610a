"""Learning encoders: query adapters, new pieces for a vocabulary, contrastive training, interpolation and export."""
