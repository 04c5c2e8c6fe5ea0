//! The server while it is under load, once a second: what its process uses, and what its
//! `/metrics` say. A server that is down gives samples that say so.
mod exposition;
mod sample;

pub use sample::{Figures, Sample, Samples};

use crate::server::{Usage, Watch};
use exposition::Exposition;
use restante::{clock, telemetry::figures_of};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the process between two samples: what it uses at most is seldom seen in one.
const LOOKS: u32 = 4;

/// How long the server may take to tell its figures; one under load takes its time.
const PATIENCE: Duration = Duration::from_millis(800);

/// Watches one server from a thread of its own until it is dropped.
pub struct Scraper {
    shared: Arc<Shared>,
}

struct Shared {
    begun: Instant,
    watch: Mutex<Watch>,
    samples: Mutex<Samples>,
    version: OnceLock<String>,
    is_over: AtomicBool,
}

impl Scraper {
    /// Begins to ask the server whose HTTP port is `http`, and to look at its process by `watch`;
    /// moments are counted from `begun`.
    ///
    /// Errors: a sentence for the user if there can be no more threads.
    pub fn start(http: Option<SocketAddr>, watch: Watch, begun: Instant) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            begun,
            watch: Mutex::new(watch),
            samples: Mutex::default(),
            version: OnceLock::new(),
            is_over: AtomicBool::new(false),
        });
        let watched = shared.clone();
        let thread = thread::Builder::new().name("scrape".to_owned());
        let started = thread.spawn(move || watched.go_on(http));
        started.map_err(|error| format!("the server cannot be watched: {error}"))?;
        Ok(Self { shared })
    }

    /// Processor time used by now, by all processes the server was.
    pub fn cpu(&self) -> Option<Duration> {
        locked(&self.shared.watch).cpu()
    }

    /// What the process used since the begin.
    pub fn usage(&self) -> Option<Usage> {
        locked(&self.shared.watch).usage()
    }

    /// The server's version, once it has told it.
    pub fn version(&self) -> Option<String> {
        self.shared.version.get().cloned()
    }

    /// The newest sample, and the one before.
    pub fn latest(&self) -> Option<(Option<Sample>, Sample)> {
        let samples = locked(&self.shared.samples);
        let (last, before) = samples.all().split_last()?;
        Some((before.last().cloned(), last.clone()))
    }

    /// All samples so far, in the order of time.
    pub fn samples(&self) -> Vec<Sample> {
        locked(&self.shared.samples).all().to_vec()
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn go_on(&self, http: Option<SocketAddr>) {
        let agent = agent();
        let mut due = clock::now();
        while !self.is_over.load(Ordering::Relaxed) {
            let sample = self.sample(&agent, http);
            locked(&self.samples).add(sample);
            for _ in 0..LOOKS {
                // a second that was missed is left out
                due = (due + EVERY / LOOKS).max(clock::now());
                thread::sleep(due.saturating_duration_since(clock::now()));
                locked(&self.watch).look();
            }
        }
    }

    fn sample(&self, agent: &ureq::Agent, http: Option<SocketAddr>) -> Sample {
        let text = http.and_then(|http| metrics_of(agent, http));
        if let Some(version) = text.as_deref().and_then(exposition::version) {
            self.version.get_or_init(|| version.to_owned());
        }
        let said = text.as_deref().map(Exposition::read);
        let mut sample = Sample {
            at: clock::now().saturating_duration_since(self.begun),
            is_up: said.is_some(),
            figures: said.as_ref().map(Figures::of).unwrap_or_default(),
        };
        let mut watch = locked(&self.watch);
        if let Some(seen) = watch.look() {
            sample.is_up |= http.is_none();
            sample.figures.resident_bytes = Some(seen.resident as f64);
            sample.figures.open_files = Some(seen.open_files as f64);
            sample.figures.cpu_seconds = watch.cpu().map(|cpu| cpu.as_secs_f64());
        }
        let own = figures_of(std::process::id()).unwrap_or_default();
        sample.figures.generator_cpu_seconds = Some(own.cpu.as_secs_f64());
        sample.figures.generator_resident_bytes = Some(own.resident as f64);
        sample
    }
}

fn metrics_of(agent: &ureq::Agent, http: SocketAddr) -> Option<String> {
    let answer = agent.get(format!("http://{http}/metrics")).call();
    answer.ok()?.body_mut().read_to_string().ok()
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE));
    config.build().into()
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    /// Waits until a sample is as wanted; fails after ten seconds.
    fn await_sample(scraper: &Scraper, wanted: impl Fn(&Sample) -> bool) -> Sample {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Some(sample) = scraper.samples().into_iter().find(&wanted) {
                return sample;
            }
            thread::yield_now();
        }
        panic!("no such sample among {:?}", scraper.samples());
    }

    fn own_process() -> Watch {
        Watch::follow(Box::new(|| Some(std::process::id())))
    }

    #[test]
    fn figures_of_page_and_process_stand_in_one_sample() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                let page =
                    "# TYPE restante_deferred_messages gauge\nrestante_deferred_messages 7\n";
                let length = page.len();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n").unwrap();
                write!(stream, "Connection: close\r\n\r\n{page}").unwrap();
            }
        });
        let scraper = Scraper::start(Some(http), own_process(), Instant::now()).unwrap();
        let sample = await_sample(&scraper, |sample| sample.is_up);
        assert_eq!(sample.figures.waiting, Some(7.0));
        assert!(sample.figures.resident_bytes > Some(0.0));
        assert!(scraper.usage().is_some() && scraper.cpu().is_some());
    }

    #[test]
    fn server_that_is_down_is_told_as_such() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = closed.local_addr().unwrap();
        drop(closed);
        let scraper =
            Scraper::start(Some(http), Watch::follow(Box::new(|| None)), Instant::now()).unwrap();
        let sample = await_sample(&scraper, |sample| !sample.is_up);
        assert_eq!(sample.figures.waiting, None);
        assert_eq!(scraper.usage(), None);
    }
}
