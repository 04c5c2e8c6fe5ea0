use rand::RngCore;

/// `octets` random octets from the operating system, as lower-case hexadecimal.
pub fn random_token(octets: usize) -> String {
    let mut random = vec![0; octets];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    hex::encode(random)
}

/// 64 random bits that nobody can predict: from a cipher of the thread's own, which the operating
/// system seeds now and then. A million of them a second cost next to nothing.
pub fn random_u64() -> u64 {
    rand::rng().next_u64()
}
