//! How large the messages of a load are.
use crate::octets::Numbers;
use serde::{Deserialize, Serialize};
use std::{fmt, ops::RangeInclusive, str::FromStr};

/// How large the messages are, in octets: one size, a range, or shares of several of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sizes(Vec<Share>);

/// So many of all messages, and their sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Share {
    weight: u64,
    range: RangeInclusive<u64>,
}

impl Sizes {
    /// Sizes from `smallest` to `largest`, every order of magnitude equally often; one size if
    /// they are the same.
    pub fn between(smallest: u64, largest: u64) -> Self {
        Self(vec![Share {
            weight: 1,
            range: smallest..=largest.max(smallest),
        }])
    }

    /// The largest size there will be.
    pub fn largest(&self) -> u64 {
        let ends = self.0.iter().map(|share| *share.range.end());
        ends.max().unwrap_or_default()
    }

    /// A size, drawn.
    pub(super) fn pick(&self, numbers: &mut Numbers) -> u64 {
        let range = match self.0.as_slice() {
            [only] => &only.range,
            shares => {
                let all = shares.iter().map(|share| share.weight).sum();
                let mut drawn = numbers.below(all);
                let chosen = shares.iter().find(|share| {
                    let is_met = drawn < share.weight;
                    drawn = drawn.saturating_sub(share.weight);
                    is_met
                });
                match chosen {
                    Some(share) => &share.range,
                    None => return 0,
                }
            }
        };
        between(range, numbers)
    }
}

/// A size of `range`: real messages are mostly small and rarely huge, so it is even in the
/// logarithm.
fn between(range: &RangeInclusive<u64>, numbers: &mut Numbers) -> u64 {
    let (smallest, largest) = (*range.start(), *range.end());
    if smallest == largest {
        return smallest;
    }
    let share = numbers.below(1 << 53) as f64 / (1_u64 << 53) as f64;
    let span = (largest as f64 + 1.0) / (smallest as f64).max(1.0);
    let drawn = (smallest as f64).max(1.0) * span.powf(share);
    (drawn as u64).clamp(smallest, largest)
}

/// `2KiB`, `1KiB..64KiB`, or `80%:200B,15%:2KiB,5%:1MiB` (the word `mix` may stand before it).
impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let shares = trimmed
            .strip_prefix("mix ")
            .or(trimmed.contains('%').then_some(trimmed));
        let Some(shares) = shares else {
            return range(trimmed).map(|range| Self(vec![Share { weight: 1, range }]));
        };
        let shares: Vec<Share> = shares.split(',').map(share).collect::<Result<_, _>>()?;
        match shares.iter().map(|share| share.weight).sum::<u64>() {
            100 => Ok(Self(shares)),
            sum => Err(format!("the shares of `{text}` make {sum}%, not 100%")),
        }
    }
}

fn share(text: &str) -> Result<Share, String> {
    let wrong = || format!("`{text}` is no share such as 80%:200B");
    let (weight, sizes) = text.trim().split_once("%:").ok_or_else(wrong)?;
    Ok(Share {
        weight: weight.trim().parse().map_err(|_| wrong())?,
        range: range(sizes)?,
    })
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let size = |text: &str| {
        let parsed = text.trim().parse::<bytesize::ByteSize>();
        parsed.map_err(|error| format!("`{text}` is no size such as 2KiB: {error}"))
    };
    let (smallest, largest) = match text.split_once("..") {
        Some((smallest, largest)) => (size(smallest)?.0, size(largest)?.0),
        None => (size(text)?.0, size(text)?.0),
    };
    match smallest <= largest {
        true => Ok(smallest..=largest),
        false => Err(format!("`{text}` ends before it begins")),
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_mix = self.0.len() > 1;
        for (index, share) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            out.write_str(comma)?;
            if is_mix {
                write!(out, "{}%:", share.weight)?;
            }
            match share.range.start() == share.range.end() {
                true => write!(out, "{}B", share.range.start())?,
                false => write!(out, "{}B..{}B", share.range.start(), share.range.end())?,
            }
        }
        Ok(())
    }
}

impl From<Sizes> for String {
    fn from(sizes: Sizes) -> Self {
        sizes.to_string()
    }
}

impl TryFrom<String> for Sizes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sizes: &Sizes, count: u64) -> Vec<u64> {
        let pick = |number| sizes.pick(&mut Numbers::new(7, number));
        (0..count).map(pick).collect()
    }

    #[test]
    fn sizes_are_read_as_one_size_or_a_range() {
        assert_eq!("2KiB".parse(), Ok(Sizes::between(2048, 2048)));
        assert_eq!("1..1KiB".parse(), Ok(Sizes::between(1, 1024)));
        assert!("2KiB..1KiB".parse::<Sizes>().is_err());
        assert!("many".parse::<Sizes>().is_err());
    }

    #[test]
    fn written_sizes_are_read_back_the_same() {
        for text in ["2KiB", "1..1KiB", "80%:200B,15%:2KiB,5%:1MiB..5MiB"] {
            let sizes: Sizes = text.parse().unwrap();
            assert_eq!(sizes.to_string().parse(), Ok(sizes), "{text}");
        }
    }

    #[test]
    fn shares_that_make_no_whole_are_refused() {
        let refused = "80%:200B,15%:2KiB".parse::<Sizes>().unwrap_err();
        assert!(refused.contains("make 95%, not 100%"), "{refused}");
        let refused = "80%:200B,2KiB".parse::<Sizes>().unwrap_err();
        assert!(refused.contains("`2KiB` is no share"), "{refused}");
    }

    #[test]
    fn mix_keeps_to_its_shares() {
        let sizes: Sizes = "mix 80%:200B,15%:2KiB,5%:1MiB".parse().unwrap();
        assert_eq!(sizes.largest(), 1024 * 1024);
        let drawn = drawn(&sizes, 10_000);
        let count = |size: u64| drawn.iter().filter(|drawn| **drawn == size).count();
        assert!((7_800..8_200).contains(&count(200)), "{}", count(200));
        assert!((1_350..1_650).contains(&count(2048)), "{}", count(2048));
        assert_eq!(count(200) + count(2048) + count(1024 * 1024), 10_000);
    }

    #[test]
    fn drawn_sizes_keep_to_their_range() {
        let sizes = drawn(&Sizes::between(1, 2048), 100);
        assert!(sizes.iter().all(|size| (1..=2048).contains(size)));
        assert!(sizes.iter().any(|size| *size < 8));
        let large = sizes.iter().filter(|size| **size >= 256).count();
        assert!(
            (15..45).contains(&large),
            "{large} of 100 in the upper 3 of 11 octaves"
        );
    }
}
