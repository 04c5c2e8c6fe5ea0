//! A report for tests.
use super::{FORMAT, FaultLine, KindSum, Machine, Phase, Report, timeline::Timeline};
use crate::{
    latency::Percentiles,
    ledger::{Fault, Verdict},
    scrape::{Figures, Sample},
    series::{Event, Kind, Series},
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A run in which the server was killed and one message was lost.
pub(super) fn report() -> Report {
    let series = series();
    Report {
        format: FORMAT,
        scenario: "send-and-retrieve".to_owned(),
        command: "loadgen send-and-retrieve --users 10".to_owned(),
        begun: "2026-01-02T03:04:05Z".to_owned(),
        seconds: 20.0,
        machine: Machine::here(None),
        seed: 7,
        senders: 500,
        receivers: 500,
        messages: 10_000,
        size: "2048B".to_owned(),
        mode: "channel".to_owned(),
        pace: "500 clients at a time".to_owned(),
        is_retrieved: true,
        phases: vec![accept(), refused()],
        kinds: KindSum::all(&series),
        server: None,
        ledger: Verdict {
            sent: 10_000,
            lost: 1,
            ..Verdict::default()
        },
        is_broken: false,
        faults: vec![FaultLine {
            fault: Fault::Lost,
            message_id: "lg-7-3".to_owned(),
            sender: "sip:a@localhost".to_owned(),
            receiver: "sip:b@localhost".to_owned(),
            size: 2048,
        }],
        refusals: vec![("503 Service Unavailable".to_owned(), 2)],
        timeline: Timeline::new(&series, &samples()),
    }
}

fn accept() -> Phase {
    Phase {
        name: "accept".to_owned(),
        beside: None,
        count: 10_000,
        octets: 10_000 * 2048,
        time: Duration::from_secs(4),
        latency_ms: Percentiles {
            p50: 12.34,
            p99: 123.4,
            max: 12_345.0,
            ..Percentiles::default()
        },
        waited: 0,
        server_cpu: Some(Duration::from_secs(3)),
    }
}

fn refused() -> Phase {
    Phase {
        name: "refused".to_owned(),
        beside: Some("accept".to_owned()),
        count: 10,
        time: Duration::from_secs(10),
        ..Phase::default()
    }
}

fn series() -> Series {
    let mut series = Series::default();
    series.mark(Duration::ZERO, Event::Phase("accept".to_owned()));
    series.mark(4 * SECOND, Event::Killed);
    series.mark(5 * SECOND, Event::Serving);
    for second in 0..10 {
        for number in 1..=10 {
            let took = Duration::from_millis(number * number);
            series.record(Kind::Accept, second * SECOND, 2048, took);
        }
        series.record(Kind::Refused, second * SECOND, 0, Duration::from_millis(1));
    }
    series
}

fn samples() -> Vec<Sample> {
    let sample = |second: u32| Sample {
        at: second * SECOND,
        is_up: second != 4,
        figures: Figures {
            cpu_seconds: Some(f64::from(second) * 1.5),
            resident_bytes: Some(1e8),
            waiting: Some(f64::from(second) * 10.0),
            ..Figures::default()
        },
    };
    (0..10).map(sample).collect()
}
