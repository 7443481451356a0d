from payments.worlds import stripe, world

__all__ = ["stripe", "world"]
