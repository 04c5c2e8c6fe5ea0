//! Offer and answer for message media (RFC 3264, RFC 4975 §8, RFC 6135).
