"""The warm-up methods: one loop each, from pictures to an identity encoder."""
