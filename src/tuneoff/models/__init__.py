"""Pre-trained models: finding them, reading texts as they do, pooling, and a head for classifying."""
