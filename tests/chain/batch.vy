# pragma version ^0.4.0
"""
Two calls of the token in one transaction, as a payer who wants to be clever sends them.
"""

@external
def both(token: address, first: Bytes[1024], second: Bytes[1024]):
    raw_call(token, first)
    raw_call(token, second)
