"""The machinery below the rooms: loop thread, thread pool, byte budget, ordered slots, channel, statistics."""
