use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, sync::Arc};

/// What a subscriber with a mailbox wants of it. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The class of service that bounds the mailbox; none means the class `default`.
    #[serde(serialize_with = "write_class", deserialize_with = "read_class")]
    pub class: Option<Arc<str>>,
    /// How what waits is handed over.
    pub handing: Handing,
}

fn write_class<S: Serializer>(class: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    class.as_deref().serialize(to)
}

fn read_class<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Arc::from))
}

/// How what waits is handed over once its receiver can be reached.
///
/// Source: the user preferences of OMA CPM for deferred messages. Whatever is set, a device may
/// list, fetch and delete at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handing {
    /// As soon as the receiver is there.
    #[default]
    Deliver,
    /// Only when a device asks; nothing is pushed, and nobody is told.
    Hold,
    /// Only when a device asks, but its devices are told that something waits.
    NotifyOnly,
}

impl Handing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deliver, Self::Hold, Self::NotifyOnly];

    /// The name by which it is written, wherever it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Hold => "hold",
            Self::NotifyOnly => "notify-only",
        }
    }

    /// Whether what waits goes out of its own accord.
    pub fn pushes(self) -> bool {
        self == Self::Deliver
    }

    /// Whether devices are told that something waits.
    pub fn tells(self) -> bool {
        self != Self::Hold
    }
}

impl fmt::Display for Handing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No way of handing over has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of deliver, hold, notify-only")]
pub struct UnknownHanding(String);

impl FromStr for Handing {
    type Err = UnknownHanding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|handing| handing.as_str() == name)
            .ok_or_else(|| UnknownHanding(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_handing_is_read_back() {
        for handing in Handing::ALL {
            assert_eq!(handing.to_string().parse(), Ok(handing));
            let json = serde_json::to_string(&handing).unwrap();
            assert_eq!(json, format!("\"{handing}\""));
        }
        let error = "later".parse::<Handing>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`later` is none of deliver, hold, notify-only"
        );
    }

    #[test]
    fn held_mailbox_neither_pushes_nor_tells() {
        let ways = |handing: Handing| (handing.pushes(), handing.tells());
        assert_eq!(ways(Handing::Deliver), (true, true));
        assert_eq!(ways(Handing::NotifyOnly), (false, true));
        assert_eq!(ways(Handing::Hold), (false, false));
    }
}
