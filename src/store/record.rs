use super::{Readable, StoreError, Table, Txn};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// A value with a version: the first octet says which, the rest is the value in that version.
pub trait Record: Serialize + DeserializeOwned {
    /// The version written today.
    const VERSION: u8;

    /// Reads a value that an older release wrote.
    ///
    /// Errors: `Version` for a version never written, or of a newer release.
    fn migrate(version: u8, _body: &[u8]) -> Result<Self, RecordError> {
        Err(RecordError::Version {
            kind: std::any::type_name::<Self>(),
            version,
        })
    }

    /// The octets to store.
    fn encode(&self) -> Result<Bytes, RecordError> {
        postcard::to_extend(self, vec![Self::VERSION])
            .map(Bytes::from)
            .map_err(|source| RecordError::Body {
                kind: std::any::type_name::<Self>(),
                source,
            })
    }

    /// Reads what `encode` of this or an older release wrote.
    fn decode(octets: &[u8]) -> Result<Self, RecordError> {
        let kind = std::any::type_name::<Self>();
        match octets.split_first() {
            Some((&version, body)) if version == Self::VERSION => {
                postcard::from_bytes(body).map_err(|source| RecordError::Body { kind, source })
            }
            Some((&version, body)) => Self::migrate(version, body),
            None => Err(RecordError::Empty { kind }),
        }
    }
}

/// A value this release cannot read or write.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No octets at all.
    #[error("record {kind} is empty")]
    Empty {
        /// Type of the record.
        kind: &'static str,
    },
    /// A version of another release.
    #[error("record {kind} has version {version}, which this release does not know")]
    Version {
        /// Type of the record.
        kind: &'static str,
        /// The version found.
        version: u8,
    },
    /// Octets that are no such value.
    #[error("record {kind}: {source}")]
    Body {
        /// Type of the record.
        kind: &'static str,
        /// Why.
        source: postcard::Error,
    },
}

/// Records read by key, on every [`Readable`].
pub trait Records: Readable {
    /// The record at `key`.
    fn record<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, StoreError> {
        match self.get(table, key)? {
            Some(octets) => Ok(Some(R::decode(&octets)?)),
            None => Ok(None),
        }
    }
}

impl<T: Readable + ?Sized> Records for T {}

impl Txn<'_> {
    /// Stores a record at `key`.
    pub fn put_record<R: Record>(
        &mut self,
        table: Table,
        key: impl Into<Bytes>,
        record: &R,
    ) -> Result<(), StoreError> {
        self.put(table, key, record.encode()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        name: String,
    }
    impl Record for Old {
        const VERSION: u8 = 1;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        name: String,
        age: u32,
    }
    impl Record for New {
        const VERSION: u8 = 2;
        fn migrate(version: u8, body: &[u8]) -> Result<Self, RecordError> {
            match version {
                1 => {
                    let old: Old =
                        postcard::from_bytes(body).map_err(|source| RecordError::Body {
                            kind: "Old",
                            source,
                        })?;
                    Ok(Self {
                        name: old.name,
                        age: 0,
                    })
                }
                version => Err(RecordError::Version {
                    kind: "New",
                    version,
                }),
            }
        }
    }

    #[test]
    fn record_of_the_last_release_is_read_as_the_new_one() {
        let name = "Bob".to_owned();
        let octets = Old { name: name.clone() }.encode().unwrap();
        assert_eq!(New::decode(&octets).unwrap(), New { name, age: 0 });
    }

    #[test]
    fn record_of_a_later_release_is_refused_by_its_version() {
        let octets = New {
            name: "Bob".into(),
            age: 7,
        }
        .encode()
        .unwrap();
        let error = Old::decode(&octets).unwrap_err();
        assert!(matches!(error, RecordError::Version { version: 2, .. }));
    }

    #[test]
    fn cut_record_is_an_error_not_a_default() {
        let octets = New {
            name: "Bob".into(),
            age: 7,
        }
        .encode()
        .unwrap();
        for len in 0..octets.len() {
            assert!(New::decode(&octets[..len]).is_err(), "{len}");
        }
    }
}
