"""Training one stage: batches, the loop, checkpoints, memory."""
