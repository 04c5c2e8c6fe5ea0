//! What was counted of one kind of event, over the whole run.
use crate::{
    latency::{Distribution, Percentiles},
    series::{Kind, Line, Series},
};
use serde::{Deserialize, Serialize};

/// The sums of one kind of event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindSum {
    /// Its name.
    pub name: String,
    /// What was counted, and from when to when its latency is.
    pub meaning: String,
    /// How often it happened.
    pub count: u64,
    /// Octets of content.
    pub octets: u64,
    /// How long it took, in milliseconds; of what follows a schedule from when it was due.
    pub latency_ms: Percentiles,
    /// How long it took from when it really began, where that differs.
    pub service_ms: Option<Percentiles>,
    /// How the latencies are spread.
    pub distribution: Distribution,
}

impl KindSum {
    /// The sums of all kinds there were.
    pub fn all(series: &Series) -> Vec<Self> {
        let of = |(kind, line): (Kind, &Line)| Self {
            name: kind.name().to_owned(),
            meaning: kind.meaning().to_owned(),
            count: line.count(),
            octets: line.octets(),
            latency_ms: line.percentiles(),
            service_ms: line
                .service()
                .map(|service| service.percentiles())
                .filter(|service| *service != line.percentiles()),
            distribution: line.latency().distribution(),
        };
        series.lines().map(of).collect()
    }

    /// The kind; `None` if this version knows none of that name.
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == self.name)
    }
}
