//! Leads a run: starts the threads, calls the phases, watches the servers, and sums up.
use super::{
    charts::{About, Charts},
    options::Options,
    plan::{Phase, Plan},
    processes::Server,
    report::{Figures, Report},
    tally::Tally,
    team::Board,
    worker::{News, Workplace, work},
};
use crate::progress::Progress;
use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime, sync::mpsc as orders, task::LocalSet};

/// How often progress is shown and the servers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// The threads of a run.
pub struct Lead {
    plan: Arc<Plan>,
    board: Arc<Board>,
    phases: Vec<orders::UnboundedSender<Phase>>,
    news: mpsc::Receiver<News>,
    is_quiet: bool,
}

/// Makes the run of `plan`.
///
/// Errors: a sentence for the user if it could not be made.
pub fn run(options: &Options, plan: Plan) -> Result<Report, String> {
    let plan = Arc::new(plan);
    let watch = |pid: &u32| Server::watch(*pid);
    let servers: Result<Vec<_>, _> = options.output.server_pid.iter().map(watch).collect();
    let mut servers = servers?;
    let mut own = Server::watch(std::process::id())?;
    let lead = Lead::start(plan.clone(), options.output.quiet)?;
    let begun = plan.charted_from.unwrap_or_else(Instant::now);
    let mut charts = Charts::begin(&options.output, begun)?;
    let mut figures = Vec::new();
    let mut is_clean = true;
    for phase in plan.phases(&options.load) {
        if let Some(charts) = &mut charts {
            charts.phase(if figures.is_empty() { "warm up" } else { "run" });
        }
        servers.iter_mut().chain([&mut own]).for_each(Server::begin);
        let (tally, time) = lead.play(phase, &mut servers)?;
        is_clean &= tally.is_clean();
        if let Some(charts) = &mut charts {
            charts.add(&tally);
        }
        let used = servers.iter().map(|server| server.usage(tally.received));
        let own = own.usage(tally.received);
        figures.push(Figures::new(&tally, time, used.collect(), &own));
        if !is_clean {
            break;
        }
    }
    let report = Report::new(options, figures, is_clean);
    let report = report.ok_or_else(|| "there was nothing to do".to_owned())?;
    if let Some(charts) = charts {
        charts.write(about(options, is_clean), &[("run", &report.run)])?;
    }
    Ok(report)
}

fn about(options: &Options, is_clean: bool) -> About {
    let load = &options.load;
    About {
        scenario: "relay",
        senders: load.pairs as usize,
        size: load.size.0,
        pace: match load.rate {
            Some(rate) => format!("{rate}/s by schedule"),
            None => format!("window {}", load.window),
        },
        is_clean,
    }
}

impl Lead {
    /// Starts the threads and waits until all are connected.
    fn start(plan: Arc<Plan>, is_quiet: bool) -> Result<Self, String> {
        let board = Arc::new(Board::default());
        let (tell, news) = mpsc::channel();
        let (others, handed_over): (Vec<_>, Vec<_>) = (0..plan.threads)
            .map(|_| orders::unbounded_channel())
            .unzip();
        let mut listeners = listeners(&plan)?;
        let mut phases = Vec::new();
        for (thread, handed_over) in handed_over.into_iter().enumerate() {
            let (order, ordered) = orders::unbounded_channel();
            phases.push(order);
            let place = Workplace {
                plan: plan.clone(),
                thread,
                board: board.clone(),
                listeners: std::mem::take(&mut listeners[thread]),
                handed_over,
                others: others.clone(),
                phases: ordered,
                lead: tell.clone(),
            };
            let name = format!("clients-{thread}");
            let started = thread::Builder::new()
                .name(name)
                .spawn(move || perform(place));
            started.map_err(|error| format!("no thread: {error}"))?;
        }
        let lead = Self {
            plan,
            board,
            phases,
            news,
            is_quiet,
        };
        lead.gather()?;
        Ok(lead)
    }

    fn gather(&self) -> Result<(), String> {
        let total = self.plan.pairs as u64;
        let mut outcome = Ok(());
        self.wait(
            "connect",
            total,
            &self.board.connected,
            |news| {
                if let News::Ready(Err(why)) = news {
                    outcome = Err(why);
                }
            },
            || {},
        )?;
        outcome
    }

    /// Lets all threads play `phase`; returns what it came to, and how long it took until the
    /// last message came.
    fn play(&self, phase: Phase, servers: &mut [Server]) -> Result<(Tally, Duration), String> {
        let begun = Instant::now();
        self.board.received.store(0, Ordering::Relaxed);
        for order in &self.phases {
            order
                .send(phase)
                .map_err(|_| "a thread ended early".to_owned())?;
        }
        let mut sum = Tally::default();
        let total = phase.messages.unwrap_or(0);
        self.wait(
            "messages",
            total,
            &self.board.received,
            |news| {
                if let News::Ended(tally) = news {
                    sum.add(&tally);
                }
            },
            || servers.iter_mut().for_each(Server::look),
        )?;
        let end = sum.last.unwrap_or_else(Instant::now);
        Ok((sum, end.saturating_duration_since(begun)))
    }

    /// Waits for news of every thread, and shows how far they are.
    fn wait(
        &self,
        name: &'static str,
        total: u64,
        done: &AtomicU64,
        mut take: impl FnMut(News),
        mut look: impl FnMut(),
    ) -> Result<(), String> {
        let mut progress = Progress::begin(name, total, self.is_quiet, Instant::now());
        let mut missing = self.phases.len();
        while missing > 0 {
            match self.news.recv_timeout(LOOK_EVERY) {
                Ok(news) => {
                    take(news);
                    missing -= 1;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    progress.at(done.load(Ordering::Relaxed), Instant::now());
                    look();
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err("a thread ended early".to_owned());
                }
            }
        }
        progress.end(done.load(Ordering::Relaxed), Instant::now());
        Ok(())
    }
}

fn perform(place: Workplace) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, work(place)),
        Err(error) => {
            // a lead that is gone wants no news
            let _ = place.lead.send(News::Ready(Err(error.to_string())));
        }
    }
}

/// The sockets on which receivers listen, by the thread they belong to.
fn listeners(plan: &Plan) -> Result<Vec<Vec<TcpListener>>, String> {
    let mut listeners: Vec<Vec<TcpListener>> = (0..plan.threads).map(|_| Vec::new()).collect();
    if plan.receiver_relay.is_none() {
        for ahead in 0..usize::from(plan.ports) {
            let listener = listen(plan.receiver_address(ahead))?;
            listeners[ahead % plan.threads].push(listener);
        }
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let open = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error: std::io::Error| format!("--receiver-listen {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn outcome(line: &str) -> Report {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let line = format!("loadgen relay -q --target {free} --receiver-listen {free} {line}");
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Relay(options) => {
                let plan = Plan::new(&options, 7).unwrap();
                run(&options, plan).unwrap()
            }
            _ => panic!("another command"),
        }
    }

    #[test]
    fn messages_in_chunks_come_whole_on_all_threads() {
        let report = outcome(
            "--threads 2 --pairs 5 --messages 503 --size 10KiB --chunk 3KiB --range unknown \
             --success-report",
        );
        assert!(report.is_clean, "{report}");
        assert_eq!(report.run.messages, 503);
        assert_eq!(report.run.octets, 503 * 10 * 1024);
        assert!(report.run.latency_ms.max > 0.0);
    }

    #[test]
    fn chunk_larger_than_all_buffers_comes_whole() {
        let report = outcome("--pairs 1 --messages 3 --size 20MiB --chunk 20MiB --range open");
        assert!(report.is_clean, "{report}");
        assert_eq!(report.run.octets, 3 * 20 * 1024 * 1024);
    }

    #[test]
    fn page_is_written_where_one_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("relay.html");
        let path = page.display();
        let report = outcome(&format!(
            "--threads 2 --pairs 4 --messages 200 --html {path}"
        ));
        assert!(report.is_clean, "{report}");
        let page = std::fs::read_to_string(page).unwrap();
        for part in [
            "4 senders",
            "Latency distribution",
            "lost 0",
            "<b>Throughput</b>",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
    }

    #[test]
    fn connections_take_what_they_can_without_a_window() {
        let report =
            outcome("--window 0 --failure-report no --pairs 2 --size 200 --duration 300ms");
        assert!(report.is_clean, "{report}");
        assert!(report.run.messages > 0);
    }

    #[test]
    fn rate_is_kept() {
        let report = outcome("--rate 1000 --pairs 10 --duration 500ms");
        assert!(report.is_clean, "{report}");
        let rate = report.run.messages;
        assert!((300..=505).contains(&rate), "{rate}");
    }

    #[test]
    fn stalled_receivers_get_everything_in_the_end() {
        let report = outcome("--stalled 1 --pairs 3 --stall-time 300ms --size 2KiB");
        assert!(report.is_clean, "{report}");
        assert!(report.compared_with.is_some());
    }

    #[test]
    fn messages_come_over_tls() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let certificate = file("certificate.pem", key.cert.pem());
        let key = file("key.pem", key.signing_key.serialize_pem());
        let report = outcome(&format!(
            "--pairs 3 --messages 30 --size 100KiB --chunk 70KiB --tls-trust {certificate} \
             --tls-certificate {certificate} --tls-key {key}"
        ));
        assert!(report.is_clean, "{report}");
        assert_eq!(report.run.messages, 30);
    }
}
