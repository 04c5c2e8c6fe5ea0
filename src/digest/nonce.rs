use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Octets of the seal kept: half of HMAC-SHA-256.
const SEAL: usize = 16;
const BODY: usize = 16;

/// Issues nonces that prove by themselves who issued them and when: nothing is kept per nonce.
///
/// A nonce is its time of issue and a salt, sealed with HMAC-SHA-256 under a key that every
/// node of a realm shares (RFC 7616 §5.4 asks for such a construction).
#[derive(Clone)]
pub struct NonceSealer {
    key: [u8; 32],
    lifetime: Duration,
}

/// What a nonce given back by a client is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceState {
    /// Ours and within its lifetime; issued at this many milliseconds since the Unix epoch.
    Fresh {
        /// Milliseconds since the Unix epoch.
        issued: u64,
    },
    /// Ours, but too old: challenge again with `stale=true`.
    Stale,
    /// Not ours.
    Forged,
}

impl NonceSealer {
    /// `key` must be secret and random; a nonce lives for `lifetime`.
    pub fn new(key: [u8; 32], lifetime: Duration) -> Self {
        Self { key, lifetime }
    }

    /// Issues a nonce at `now` (milliseconds since the Unix epoch). `salt` tells two nonces of
    /// one millisecond apart; it need not be secret.
    pub fn issue(&self, now: u64, salt: u64) -> String {
        let mut octets = [0; BODY + SEAL];
        octets[..8].copy_from_slice(&now.to_be_bytes());
        octets[8..BODY].copy_from_slice(&salt.to_be_bytes());
        let seal = self.seal(&octets[..BODY]);
        octets[BODY..].copy_from_slice(&seal);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Judges a nonce at `now` (milliseconds since the Unix epoch).
    pub fn check(&self, nonce: &str, now: u64) -> NonceState {
        let mut octets = [0; BODY + SEAL];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut octets) != Ok(BODY + SEAL) {
            return NonceState::Forged;
        }
        let (body, seal) = octets.split_at(BODY);
        if !bool::from(self.seal(body).ct_eq(seal)) {
            return NonceState::Forged;
        }
        let (time, _) = body.split_first_chunk().expect("a body is 16 octets");
        let issued = u64::from_be_bytes(*time);
        let age = u128::from(now.saturating_sub(issued));
        match age <= self.lifetime.as_millis() {
            true => NonceState::Fresh { issued },
            false => NonceState::Stale,
        }
    }

    fn seal(&self, body: &[u8]) -> [u8; SEAL] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(body);
        let full = mac.finalize().into_bytes();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&full[..SEAL]);
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn sealer() -> NonceSealer {
        NonceSealer::new([7; 32], Duration::from_secs(60))
    }

    #[test]
    fn nonce_is_fresh_for_its_lifetime_and_stale_after_it() {
        let nonce = sealer().issue(NOW, 1);
        assert_eq!(
            sealer().check(&nonce, NOW + 60_000),
            NonceState::Fresh { issued: NOW }
        );
        assert_eq!(sealer().check(&nonce, NOW + 60_001), NonceState::Stale);
    }

    #[test]
    fn nonce_of_another_key_is_forged() {
        let nonce = NonceSealer::new([8; 32], Duration::from_secs(60)).issue(NOW, 1);
        assert_eq!(sealer().check(&nonce, NOW), NonceState::Forged);
    }

    #[test]
    fn any_changed_letter_is_noticed() {
        let nonce = sealer().issue(NOW, 1);
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                sealer().check(&changed, NOW),
                NonceState::Forged,
                "letter {at}"
            );
        }
        assert_eq!(sealer().check("", NOW), NonceState::Forged);
        assert_eq!(sealer().check(&nonce[..42], NOW), NonceState::Forged);
        assert_eq!(
            sealer().check(&format!("{nonce}A"), NOW),
            NonceState::Forged
        );
    }

    #[test]
    fn salt_tells_nonces_of_one_millisecond_apart() {
        assert_ne!(sealer().issue(NOW, 1), sealer().issue(NOW, 2));
    }
}
