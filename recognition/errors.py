"""What can go wrong with a request of a person, said in a sentence for them."""


class RecognitionError(Exception):
    """Something that was asked for can not be done; the message is a sentence for people."""
