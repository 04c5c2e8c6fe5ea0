//! Contents that can be made again from their number, so that none has to be kept.
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The content of message `number`: `size` octets that look random and differ from message to
/// message.
pub fn content(number: u64, size: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut octets = Vec::with_capacity(size + 8);
    while octets.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(size);
    octets.into()
}

/// SHA-256 of `octets`, in hexadecimal.
pub fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_repeatable_distinct_and_of_the_right_size() {
        assert_eq!(content(7, 2048), content(7, 2048));
        assert_ne!(content(7, 2048), content(8, 2048));
        for size in [0, 1, 7, 8, 9, 2048] {
            assert_eq!(content(1, size).len(), size);
        }
    }
}
