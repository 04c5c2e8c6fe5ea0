use crate::sip_core::Binding;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{future::Future, time::Duration};

/// What came of one device in a race it did not win.
pub(super) enum Lost<E> {
    /// It failed.
    Failed(E),
    /// It had its head start and said nothing until another one had taken over.
    Overtaken,
}

impl<E> Lost<E> {
    /// The error of one that failed.
    pub fn error(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Overtaken => None,
        }
    }
}

/// How a race ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finish<W> {
    Won(W),
    Nobody,
    /// Called off.
    Off,
}

/// Tries `devices` in their order, each a `head_start` behind the one before, or at once when
/// that one fails, until one succeeds or the race is called `off`. The others are dropped, and
/// all that lost are told to `lost`; a device that had no time to answer lost nothing.
pub(super) async fn race<'a, T, E, F: Future<Output = Result<T, E>>>(
    devices: &'a [Binding],
    head_start: Duration,
    off: impl Future<Output = ()>,
    begin: impl Fn(&'a Binding) -> F,
    mut lost: impl FnMut(&'a Binding, Lost<E>),
) -> Finish<(&'a Binding, T)> {
    tokio::pin!(off);
    let mut behind = devices.iter();
    let mut running = FuturesUnordered::new();
    // those that run, and whether their head start is over
    let mut field: Vec<(&Binding, bool)> = Vec::new();
    loop {
        if let Some(device) = behind.next() {
            let attempt = begin(device);
            running.push(async move { (device, attempt.await) });
            field.push((device, false));
        } else if running.is_empty() {
            return Finish::Nobody;
        }
        let is_fresh = field.last().is_some_and(|(_, is_silent)| !is_silent);
        let finish = tokio::select! {
            Some((device, outcome)) = running.next() => {
                field.retain(|(one, _)| !std::ptr::eq(*one, device));
                match outcome {
                    Ok(won) => Finish::Won((device, won)),
                    Err(error) => {
                        lost(device, Lost::Failed(error));
                        continue;
                    }
                }
            }
            () = tokio::time::sleep(head_start), if is_fresh => {
                field.last_mut().into_iter().for_each(|(_, is_silent)| *is_silent = true);
                continue;
            }
            () = &mut off => Finish::Off,
        };
        for (device, _) in field.iter().filter(|(_, is_silent)| *is_silent) {
            lost(device, Lost::Overtaken);
        }
        return finish;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        sip::{codec::NameAddr, transaction::Peer},
    };
    use std::cell::RefCell;

    const HEAD_START: Duration = Duration::from_secs(2);

    /// Runs a race of devices named by the seconds until they answer, and whether that is a yes.
    async fn run(devices: &[(u64, bool)]) -> (Option<u64>, Vec<String>) {
        run_until(u64::MAX >> 32, devices).await
    }

    /// The same, called off after so many seconds.
    async fn run_until(off: u64, devices: &[(u64, bool)]) -> (Option<u64>, Vec<String>) {
        let bindings: Vec<Binding> = devices.iter().map(|(after, _)| device(*after)).collect();
        let told = RefCell::new(Vec::new());
        let begin = |binding: &Binding| {
            let after = u64::from(binding.cseq);
            let yes = devices.contains(&(after, true));
            async move {
                tokio::time::sleep(Duration::from_secs(after)).await;
                yes.then_some(after).ok_or(after)
            }
        };
        let off = tokio::time::sleep(Duration::from_secs(off));
        let won = race(&bindings, HEAD_START, off, begin, |device, lost| {
            let how = match lost {
                Lost::Failed(after) => format!("{after} failed"),
                Lost::Overtaken => format!("{} overtaken", device.cseq),
            };
            told.borrow_mut().push(how);
        });
        let won = match won.await {
            Finish::Won((_, after)) => Some(after),
            Finish::Nobody | Finish::Off => None,
        };
        (won, told.into_inner())
    }

    fn device(after: u64) -> Binding {
        let contact = NameAddr::parse("<sip:b@h>").unwrap();
        Binding {
            contact: contact.uri,
            params: contact.params,
            expires_at: Timestamp::EPOCH,
            call_id: String::new(),
            cseq: u32::try_from(after).unwrap(),
            path: Vec::new(),
            source: Peer::tcp(([127, 0, 0, 1], 5060).into()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn first_device_that_answers_in_time_is_the_only_one_tried() {
        let start = tokio::time::Instant::now();
        assert_eq!(run(&[(1, true), (0, true)]).await, (Some(1), vec![]));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn silent_device_delays_the_next_by_its_head_start_only() {
        let start = tokio::time::Instant::now();
        let told = vec!["20 overtaken".to_owned()];
        assert_eq!(run(&[(20, true), (1, true)]).await, (Some(1), told));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn device_that_fails_delays_the_next_by_nothing() {
        let start = tokio::time::Instant::now();
        let told = vec!["0 failed".to_owned()];
        assert_eq!(run(&[(0, false), (1, true)]).await, (Some(1), told));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_device_may_win_after_all() {
        assert_eq!(run(&[(3, true), (9, true)]).await, (Some(3), vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn race_without_a_winner_ends() {
        let told = vec!["1 failed".to_owned(), "4 failed".to_owned()];
        assert_eq!(run(&[(4, false), (1, false)]).await, (None, told));
        assert_eq!(run(&[]).await, (None, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn race_that_is_called_off_was_lost_by_those_that_had_their_head_start() {
        let told = vec!["9 overtaken".to_owned()];
        assert_eq!(run_until(3, &[(9, true), (8, true)]).await, (None, told));
        let nobody = (None, vec![]);
        assert_eq!(run_until(1, &[(9, true), (8, true)]).await, nobody);
    }
}
