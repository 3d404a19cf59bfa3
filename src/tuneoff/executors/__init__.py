"""Where the stages of a plan are computed."""
