//! The line and its laws against a simulated server: offered so many requests a second, able to
//! serve so many.
use super::{Class, Line, Turn};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const TARGET: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(1);

/// A server that serves `capacity` requests a second, and its line.
struct Server {
    line: Line<()>,
    now: Instant,
    capacity: f64,
    /// Work it could have done so far, and requests that came so far, less whole ones.
    able: f64,
    offered: f64,
    seed: u64,
    /// What one class is offered besides, as part of the capacity.
    retrievals: f64,
    retrieved: f64,
}

/// What came of the requests of a while.
#[derive(Debug, Default)]
struct Outcome {
    served: [u32; 2],
    refused: [u32; 2],
    longest: Duration,
}

impl Server {
    fn new(capacity: f64) -> Self {
        let now = Instant::now();
        Self {
            line: Line::new(TARGET, 4_096, now),
            now,
            capacity,
            able: 0.0,
            offered: 0.0,
            seed: 1,
            retrievals: 0.0,
            retrieved: 0.0,
        }
    }

    fn run(&mut self, load: f64, lasting: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        let end = self.now + lasting;
        while self.now < end {
            self.now += STEP;
            let share = self.capacity * STEP.as_secs_f64();
            self.offered += load * share;
            self.retrieved += self.retrievals * share;
            self.able += share;
            while self.offered >= 1.0 {
                self.offered -= 1.0;
                self.arrive(Class::New, &mut outcome);
            }
            while self.retrieved >= 1.0 {
                self.retrieved -= 1.0;
                self.arrive(Class::Retrieval, &mut outcome);
            }
            while self.able >= 1.0 {
                self.able -= 1.0;
                match self.line.pop(self.now) {
                    Some(Turn { class, waited, .. }) => {
                        outcome.served[usize::from(class == Class::New)] += 1;
                        outcome.longest = outcome.longest.max(waited);
                    }
                    None => self.able = 0.0,
                }
            }
            self.line.tick(self.now);
        }
        outcome
    }

    fn arrive(&mut self, class: Class, outcome: &mut Outcome) {
        let chance = self.chance();
        let is_in = chance < self.line.share(class);
        if !is_in || self.line.push(class, self.now, (), self.now).is_err() {
            outcome.refused[usize::from(class == Class::New)] += 1;
        }
    }

    /// Between 0 and 1, spread well enough.
    fn chance(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn overloaded_server_does_all_it_can_soon_enough_and_recovers(
        capacity in 500.0..20_000.0f64,
        load in 1.2..20.0f64,
    ) {
        let mut server = Server::new(capacity);
        server.run(load, seconds(5.0));
        let steady = server.run(load, seconds(10.0));
        let done = f64::from(steady.served[1]) / (capacity * 10.0);
        prop_assert!(done > 0.9, "{done} of {capacity}: {steady:?}");
        prop_assert!(steady.longest < TARGET * 5, "{steady:?}");
        server.run(0.5, seconds(3.0));
        let after = server.run(0.5, seconds(2.0));
        prop_assert!(after.refused[1] * 50 < after.served[1], "{after:?}");
    }

    #[test]
    fn server_with_room_to_spare_refuses_nothing(
        capacity in 500.0..20_000.0f64,
        load in 0.05..0.9f64,
    ) {
        let mut server = Server::new(capacity);
        let outcome = server.run(load, seconds(5.0));
        prop_assert_eq!(outcome.refused[1], 0);
    }

    #[test]
    fn retrievals_are_served_while_new_work_is_refused(
        capacity in 1_000.0..20_000.0f64,
        load in 2.0..10.0f64,
    ) {
        let mut server = Server::new(capacity);
        server.retrievals = 0.3;
        let outcome = server.run(load, seconds(10.0));
        prop_assert_eq!(outcome.refused[0], 0, "{:?}", outcome);
        prop_assert!(outcome.refused[1] > outcome.served[1] / 2, "{outcome:?}");
    }
}

#[test]
fn new_work_is_not_starved_by_retrievals() {
    let mut server = Server::new(5_000.0);
    server.retrievals = 3.0;
    let outcome = server.run(3.0, seconds(10.0));
    let [retrieved, new] = outcome.served;
    assert!(new * 3 < retrieved && new * 5 > retrieved, "{outcome:?}");
}

#[test]
fn burst_that_is_worked_off_at_once_is_no_overload() {
    let mut server = Server::new(5_000.0);
    for _ in 0..20 {
        let burst = server.run(2.5, seconds(0.02));
        assert_eq!(burst.refused, [0, 0]);
        server.run(0.0, seconds(0.3));
    }
}

#[test]
fn burst_after_a_quiet_time_is_not_measured_by_it() {
    let begun = Instant::now();
    let mut line = Line::new(TARGET, 4_096, begun);
    let now = begun + seconds(10.0);
    for _ in 0..500 {
        assert_eq!(line.push(Class::Retrieval, now, (), now), Ok(()));
    }
    line.pop(now);
    assert!(line.tick(now));
    assert_eq!(line.share(Class::Retrieval), 1.0);
}

#[test]
fn full_line_gives_back_who_comes() {
    let now = Instant::now();
    let mut line = Line::new(TARGET, 1, now);
    assert_eq!(line.push(Class::New, now, 1, now), Ok(()));
    assert_eq!(line.push(Class::Retrieval, now, 2, now), Ok(()));
    assert_eq!(line.push(Class::New, now, 3, now), Err(3));
    assert_eq!(line.share(Class::New), 0.0);
    assert_eq!(line.push(Class::Ongoing, now, 4, now), Err(4));
    let first = line.pop(now).expect("somebody waits");
    assert_eq!((first.what, first.class), (2, Class::Retrieval));
}
