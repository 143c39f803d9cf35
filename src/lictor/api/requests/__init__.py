"""What clients may send: one type for each object and verb, with ranges and defaults (reference, 1.6 to 1.13).

Types that end in ``Post`` create, those that end in ``Put`` change what they name; ``...InGraph`` stand inside another
object's creation, which tells them where they belong. Each resource has its room.
"""
