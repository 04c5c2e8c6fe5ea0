use rand::RngCore;

/// `octets` random octets that nobody can predict, as lower-case hexadecimal: from where
/// [`random_u64`] has them.
pub fn random_token(octets: usize) -> String {
    let mut random = vec![0; octets];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random)
}

/// 32 random bits, likewise: a chance, evenly spread over all numbers.
pub fn random_u32() -> u32 {
    rand::rng().next_u32()
}

/// 64 random bits that nobody can predict: from a cipher of the thread's own, which the operating
/// system seeds now and then. A million of them a second cost next to nothing.
pub fn random_u64() -> u64 {
    rand::rng().next_u64()
}
