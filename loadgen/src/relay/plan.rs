//! The run that the options describe.
use super::{
    digest::Credentials,
    flights::Needs,
    letter::{Range, Style},
    options::{Ends, FailureReport, Load, Options, Via},
    pair::Manner,
    secure::Security,
};
use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long a run is that nobody gave a length.
const USUAL_DURATION: Duration = Duration::from_secs(5);

/// What every thread is told.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names the run.
    pub run: u32,
    /// Pairs in all.
    pub pairs: usize,
    /// Threads.
    pub threads: usize,
    /// Where senders log in or, without a relay, connect.
    pub sender_target: SocketAddr,
    /// Whether they log in there.
    pub sender_logs_in: bool,
    /// Where receivers log in; none if they listen.
    pub receiver_relay: Option<SocketAddr>,
    /// First port receivers listen on.
    pub listen: SocketAddr,
    /// How many ports those are.
    pub ports: u16,
    /// Who the clients are.
    pub users: Vec<Credentials>,
    /// Whether answers to challenges name the digest-uri.
    pub names_uri: bool,
    /// TLS, where it is spoken.
    pub security: Option<Security>,
    /// How pairs send.
    pub manner: Manner,
    /// How ranges are written.
    pub range: Range,
    /// What senders want to hear of failures.
    pub failure_report: FailureReport,
    /// Whether receivers report success.
    pub success_report: bool,
    /// Messages a second, on all threads.
    pub rate: Option<u64>,
    /// How long nothing may come.
    pub patience: Duration,
    /// When the run began, where it is to be told when what happened.
    pub charted_from: Option<Instant>,
}

/// A stretch of the run; nothing is under way before it and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Messages of all pairs together, or until time is up.
    pub messages: Option<u64>,
    /// When no more begin.
    pub duration: Option<Duration>,
    /// Receivers that do not read until time is up.
    pub stalled: usize,
    /// Latency counts for what begins after so long and ends before time is up; all if none.
    pub settles: Option<Duration>,
    /// Whether the rate is kept.
    pub is_paced: bool,
}

impl Plan {
    /// The plan of a run named `run`.
    ///
    /// Errors: a sentence for the user about options that do not go together.
    pub fn new(options: &Options, run: u32) -> Result<Self, String> {
        let Options {
            way, load, access, ..
        } = options;
        check(options)?;
        let relays = match (way.via, way.relay.as_slice()) {
            (Via::Forward, []) => Vec::new(),
            (Via::Relay, []) => vec![way.target],
            (_, relays) => relays.to_vec(),
        };
        let threads = usize::from(load.threads).min(load.pairs as usize);
        let first = relays.first().copied();
        let receiver_relay = relays.last().copied().filter(|_| way.ends != Ends::Sender);
        // every port belongs to one thread
        let per_thread = usize::from(way.receiver_ports).div_ceil(threads);
        let is_listening_to_relay = first.is_some() && receiver_relay.is_none();
        let ports = if is_listening_to_relay {
            per_thread * threads
        } else {
            1
        };
        Ok(Self {
            run,
            pairs: load.pairs as usize,
            threads,
            sender_target: first.unwrap_or(way.target),
            sender_logs_in: first.is_some() && way.ends != Ends::One,
            receiver_relay,
            listen: way.receiver_listen,
            ports: u16::try_from(ports).map_err(|_| "too many --receiver-ports".to_owned())?,
            users: users(options)?,
            names_uri: !access.no_digest_uri,
            security: security(options)?,
            manner: Manner {
                size: load.size.0,
                chunk: load.chunk.0,
                window: load.window,
            },
            range: load.range,
            failure_report: load.failure_report,
            success_report: load.success_report,
            rate: load.rate,
            patience: Duration::from_secs(load.patience),
            charted_from: options.output.html.is_some().then(Instant::now),
        })
    }

    /// The stretches of the run, the last of which is the one that counts.
    pub fn phases(&self, load: &Load) -> Vec<Phase> {
        let warm_up = Phase {
            messages: Some(load.warm_up * self.pairs as u64),
            duration: None,
            stalled: 0,
            settles: None,
            is_paced: false,
        };
        let usual = load.messages.is_none().then_some(USUAL_DURATION);
        let run = Phase {
            messages: load.messages,
            duration: load.duration.or(usual),
            stalled: 0,
            settles: None,
            is_paced: load.rate.is_some(),
        };
        let stalled = Phase {
            messages: None,
            duration: Some(load.stall_time),
            stalled: load.stalled as usize,
            // until then what was sent to those who stall fills the buffers on its way
            settles: Some(load.stall_time / 4),
            is_paced: load.rate.is_some(),
        };
        match load.stalled {
            0 => vec![warm_up, run],
            _ => vec![
                warm_up,
                Phase {
                    stalled: 0,
                    ..stalled
                },
                stalled,
            ],
        }
    }

    /// What a message needs before it has landed.
    pub fn needs(&self) -> Needs {
        let Manner { size, chunk, .. } = self.manner;
        Needs {
            size,
            answers: if self.answers() {
                size.div_ceil(chunk)
            } else {
                0
            },
            report: self.success_report,
        }
    }

    /// Whether chunks are answered.
    pub fn answers(&self) -> bool {
        self.failure_report == FailureReport::Yes
    }

    /// How the messages' heads are written.
    pub fn style(&self) -> Style<'_> {
        Style {
            run: self.run,
            size: self.manner.size,
            range: self.range,
            failure_report: match self.failure_report {
                FailureReport::Yes => None,
                FailureReport::Partial => Some("partial"),
                FailureReport::No => Some("no"),
            },
            success_report: self.success_report,
        }
    }

    /// As whom the client of pair `number` logs in.
    pub fn user(&self, number: usize) -> &Credentials {
        &self.users[number % self.users.len()]
    }

    /// The address on which the receiver of pair `number` listens.
    pub fn receiver_address(&self, number: usize) -> SocketAddr {
        let ahead = (number % usize::from(self.ports)) as u16;
        SocketAddr::new(self.listen.ip(), self.listen.port() + ahead)
    }

    /// Messages of pair `number` out of `messages` of all.
    pub fn share(&self, messages: u64, number: usize) -> u64 {
        let pairs = self.pairs as u64;
        messages / pairs + u64::from((number as u64) < messages % pairs)
    }
}

fn check(options: &Options) -> Result<(), String> {
    let Options { way, load, .. } = options;
    if load.size.0 == 0 || load.chunk.0 == 0 {
        return Err("--size and --chunk have to be at least 1 octet".to_owned());
    }
    if way.relay.len() > 2 {
        return Err("--relay may be given twice: the senders' and the receivers'".to_owned());
    }
    if way.relay.len() == 2 && way.ends != Ends::Both {
        return Err("with two relays both --ends log in".to_owned());
    }
    let is_relay = way.via == Via::Relay || !way.relay.is_empty();
    if load.idle.is_some() && !is_relay {
        return Err("--idle sessions log in somewhere: give --via relay".to_owned());
    }
    let threads = u32::from(load.threads).min(load.pairs);
    if options.tls.tls_trust.is_some() && !is_relay && threads > 1 {
        return Err("with TLS, receivers behind a forwarder have one of --threads".to_owned());
    }
    if load.stalled >= load.pairs && load.stalled > 0 {
        return Err("--stalled: somebody has to go on".to_owned());
    }
    if load.stalled > 0 && is_relay && way.ends == Ends::Sender {
        let advice = "receivers share a connection with --ends sender";
        return Err(format!(
            "--stalled needs a connection for each receiver: {advice}"
        ));
    }
    Ok(())
}

fn security(options: &Options) -> Result<Option<Security>, String> {
    let tls = &options.tls;
    let own = tls.tls_certificate.as_deref().zip(tls.tls_key.as_deref());
    let trust = tls.tls_trust.as_deref();
    trust.map(|trust| Security::load(trust, own)).transpose()
}

fn users(options: &Options) -> Result<Vec<Credentials>, String> {
    let access = &options.access;
    let Some(path) = &access.users else {
        return Ok(vec![Credentials {
            user: access.user.clone(),
            password: access.password.clone(),
        }]);
    };
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let users: Option<Vec<_>> = lines.map(credentials).collect();
    let users = users.filter(|users| !users.is_empty());
    users.ok_or_else(|| format!("{}: wanted are lines of NAME PASSWORD", path.display()))
}

fn credentials(line: &str) -> Option<Credentials> {
    let (user, password) = line.trim().split_once(char::is_whitespace)?;
    Some(Credentials {
        user: user.to_owned(),
        password: password.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn options(line: &str) -> Options {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Relay(options) => options,
            _ => panic!("another command"),
        }
    }

    fn plan(line: &str) -> Result<Plan, String> {
        Plan::new(&options(line), 1)
    }

    #[test]
    fn forwarder_needs_no_login() {
        let plan = plan("loadgen relay --target 127.0.0.1:7101").unwrap();
        assert!(!plan.sender_logs_in && plan.receiver_relay.is_none());
        assert_eq!(plan.receiver_address(5).to_string(), "127.0.0.1:7001");
        assert_eq!((plan.needs().answers, plan.needs().size), (1, 2048));
    }

    #[test]
    fn ends_log_in_where_they_are_told() {
        let relay = "127.0.0.1:2855".parse().unwrap();
        let base = "loadgen relay --via relay --target 127.0.0.1:2855";
        let both = plan(base).unwrap();
        assert_eq!(
            (both.sender_logs_in, both.receiver_relay),
            (true, Some(relay))
        );
        let one = plan(&format!(
            "{base} --ends sender --receiver-ports 3 --threads 2"
        ))
        .unwrap();
        assert_eq!(
            (one.sender_logs_in, one.receiver_relay, one.ports),
            (true, None, 4)
        );
        let receiver = plan(&format!("{base} --ends one")).unwrap();
        assert!(receiver.receiver_relay.is_some() && !receiver.sender_logs_in);
        let two = plan("loadgen relay --relay 127.0.0.1:2855 --relay 127.0.0.1:2856").unwrap();
        assert_eq!(two.sender_target, relay);
        assert_eq!(two.receiver_relay.unwrap().port(), 2856);
    }

    #[test]
    fn messages_are_shared_out_to_the_last() {
        let plan = plan("loadgen relay --pairs 7").unwrap();
        assert_eq!((0..7).map(|pair| plan.share(100, pair)).sum::<u64>(), 100);
        assert_eq!(plan.share(1, 0), 1);
        assert_eq!(plan.share(1, 6), 0);
    }

    #[test]
    fn chunks_are_answered_as_asked() {
        let line = "loadgen relay --size 1MiB --chunk 64KiB";
        assert_eq!(plan(line).unwrap().needs().answers, 16);
        let silent = plan(&format!("{line} --failure-report partial")).unwrap();
        assert_eq!(silent.needs().answers, 0);
        assert_eq!(silent.style().failure_report, Some("partial"));
    }

    #[test]
    fn run_has_a_length_and_a_stall_its_comparison() {
        let options = options("loadgen relay --stalled 2 --stall-time 3s");
        let phases = Plan::new(&options, 1).unwrap().phases(&options.load);
        assert_eq!(phases.len(), 3);
        assert_eq!((phases[1].stalled, phases[2].stalled), (0, 2));
        assert_eq!(phases[1].duration, phases[2].duration);
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        for line in [
            "loadgen relay --size 0",
            "loadgen relay --idle 5",
            "loadgen relay --stalled 10",
            "loadgen relay --via relay --ends sender --stalled 1",
            "loadgen relay --users /nowhere",
            "loadgen relay --tls-trust /nowhere",
            "loadgen relay --tls-trust /nowhere --threads 2",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
