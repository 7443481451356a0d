from payments.worlds import any_world, stripe, world

__all__ = ["any_world", "stripe", "world"]
