# The formats of the queue.
