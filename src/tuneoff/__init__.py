"""tuneoff: fine-tuning, face to face. Compare ways of fine-tuning a model on a task, fast and honestly."""
