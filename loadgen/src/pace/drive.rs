//! Makes requests at their pace, on the calling thread.
use super::Pace;
use futures_util::{StreamExt, stream};
use restante::clock;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// The requests of one thread: those whose user takes turns there.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// Users who take turns, of all threads.
    pub users: u64,
    /// Requests in all.
    pub requests: u64,
    /// This thread.
    pub thread: u64,
    /// All threads.
    pub threads: u64,
}

/// What was met on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Driven {
    /// Requests that were due, and had to wait because too many were under way, or were not begun
    /// at all.
    pub waited: u64,
}

impl Turns {
    /// One request of each of `users`, all on this thread.
    pub fn alone(users: u64) -> Self {
        Self {
            users,
            requests: users,
            thread: 0,
            threads: 1,
        }
    }

    fn is_ours(&self, number: u64) -> bool {
        number % self.users.max(1) % self.threads == self.thread
    }

    /// The numbers of client `index` of `clients` here: always the same users, each of whom goes
    /// on when it has its answer.
    fn of_client(self, index: u64, clients: u64) -> impl Iterator<Item = u64> {
        let (users, lane) = (self.users.max(1), self.thread + self.threads * index);
        let step = (self.threads * clients).max(1) as usize;
        let rounds = (0..self.requests).step_by(users as usize);
        rounds
            .flat_map(move |first| (lane..users).step_by(step).map(move |turn| first + turn))
            .take_while(move |number| *number < self.requests)
    }
}

/// Makes the requests of `turns` at `pace` and waits until all are done. `request` is given the
/// number of each and the moment it was due; nothing new is begun once `is_enough`.
pub async fn drive<F: Future<Output = ()> + 'static>(
    pace: &Pace,
    turns: Turns,
    is_enough: impl Fn() -> bool,
    request: impl Fn(u64, Instant) -> F,
) -> Driven {
    let begun = clock::now();
    let is_enough = || is_enough() || pace.is_over(clock::now() - begun);
    match pace.rate {
        Some(_) => drive_by_schedule(pace, begun, turns, is_enough, request).await,
        None => drive_by_answers(pace, turns, is_enough, request).await,
    }
}

async fn drive_by_answers<F: Future<Output = ()>>(
    pace: &Pace,
    turns: Turns,
    is_enough: impl Fn() -> bool,
    request: impl Fn(u64, Instant) -> F,
) -> Driven {
    let ours = (turns.users.saturating_sub(turns.thread)).div_ceil(turns.threads.max(1));
    let clients = (pace.window as u64).min(ours);
    let (is_enough, request) = (&is_enough, &request);
    let work = |index: u64| async move {
        tokio::time::sleep(pace.joins(index as usize, clients as usize)).await;
        for number in turns.of_client(index, clients) {
            if is_enough() {
                return;
            }
            request(number, clock::now()).await;
        }
    };
    stream::iter(0..clients)
        .for_each_concurrent(None, work)
        .await;
    Driven::default()
}

async fn drive_by_schedule<F: Future<Output = ()> + 'static>(
    pace: &Pace,
    begun: Instant,
    turns: Turns,
    is_enough: impl Fn() -> bool,
    request: impl Fn(u64, Instant) -> F,
) -> Driven {
    let places = Arc::new(Semaphore::new(pace.window));
    let mut driven = Driven::default();
    for number in (0..turns.requests).filter(|number| turns.is_ours(*number)) {
        let due = begun + pace.due(number).unwrap_or(Duration::ZERO);
        if pace.is_over(due - begun) {
            break;
        }
        if is_enough() {
            if pace.lasts.is_none() {
                break;
            }
            // it was due in time, and nobody could begin it
            driven.waited += 1;
            continue;
        }
        if due > clock::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        driven.waited += u64::from(places.available_permits() == 0);
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        let work = request(number, due);
        actix_rt::spawn(async move {
            work.await;
            drop(place);
        });
    }
    // everybody is back when all places are free
    let all = u32::try_from(pace.window).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
    driven
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::{Cell, RefCell},
        rc::Rc,
    };

    const MILLI: Duration = Duration::from_millis(1);

    fn turns(users: u64, requests: u64) -> Turns {
        Turns {
            users,
            requests,
            thread: 0,
            threads: 1,
        }
    }

    fn closed(window: usize) -> Pace {
        Pace {
            rate: None,
            ramp_up: Duration::ZERO,
            lasts: None,
            window,
        }
    }

    #[test]
    fn every_request_has_one_client_and_a_user_keeps_to_it() {
        let mut all = Vec::new();
        for thread in 0..2 {
            let turns = Turns {
                thread,
                threads: 2,
                ..turns(7, 100)
            };
            for client in 0..3 {
                let numbers: Vec<u64> = turns.of_client(client, 3).collect();
                assert!(numbers.iter().all(|number| turns.is_ours(*number)));
                assert!(numbers.is_sorted());
                all.extend(numbers);
            }
        }
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let first: Vec<u64> = turns(7, 20).of_client(1, 3).collect();
        assert_eq!(first, [1, 4, 8, 11, 15, 18]);
    }

    #[actix_rt::test]
    async fn closed_loop_has_no_more_under_way_than_its_window_and_one_a_user() {
        let now = Rc::new(Cell::new((0_u32, 0_u32)));
        let seen = now.clone();
        let request = move |_, _| {
            let now = now.clone();
            async move {
                let (under_way, most) = now.get();
                now.set((under_way + 1, most.max(under_way + 1)));
                tokio::time::sleep(MILLI).await;
                now.set((now.get().0 - 1, now.get().1));
            }
        };
        drive(&closed(4), turns(100, 40), || false, &request).await;
        assert_eq!(seen.get(), (0, 4));
        seen.set((0, 0));
        drive(&closed(4), turns(2, 10), || false, &request).await;
        assert_eq!(seen.get(), (0, 2));
    }

    #[actix_rt::test]
    async fn schedule_goes_on_while_answers_stay_away_and_tells_when_each_was_due() {
        let pace = Pace {
            rate: Some("1000/s".parse().unwrap()),
            ..closed(2)
        };
        let late = Rc::new(RefCell::new(Vec::new()));
        let noted = late.clone();
        let request = move |_, due: Instant| {
            let noted = noted.clone();
            async move {
                tokio::time::sleep(50 * MILLI).await;
                noted.borrow_mut().push(clock::now() - due);
            }
        };
        let driven = drive(&pace, turns(10, 6), || false, request).await;
        let late = late.borrow();
        assert_eq!(late.len(), 6);
        assert!(driven.waited > 0, "{driven:?}");
        // two at a time of 50 ms each: what the last ones waited counts
        assert!(late[5] >= 140 * MILLI, "{late:?}");
    }

    #[actix_rt::test]
    async fn nothing_is_begun_when_time_is_over_or_it_is_enough() {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        let request = move |_, _| {
            counted.set(counted.get() + 1);
            async { tokio::time::sleep(MILLI).await }
        };
        let pace = Pace {
            lasts: Some(100 * MILLI),
            rate: Some("100/s".parse().unwrap()),
            ..closed(100)
        };
        let driven = drive(&pace, turns(10, 1_000_000), || false, &request).await;
        let begun = count.get();
        assert!((1..=10).contains(&begun) && driven.waited >= 10 - begun);
        let driven = drive(&pace, turns(10, 1_000_000), || true, &request).await;
        assert_eq!((count.get(), driven.waited), (begun, 10));
    }
}
