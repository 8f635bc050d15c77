"""One equation, one pure function.

Scores, features and pictures come in at least 32 bits; call these functions outside autocast, which would round the
similarities (a temperature of 0.04 makes 0.1 nats of bf16's last bit).
"""
