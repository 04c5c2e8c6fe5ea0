/// `octets` random octets from the operating system, as lower-case hexadecimal.
pub fn random_token(octets: usize) -> String {
    let mut random = vec![0; octets];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    hex::encode(random)
}

/// 64 random bits from the operating system.
pub fn random_u64() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}
