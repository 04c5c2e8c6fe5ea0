use super::{
    steady::{Moment, Saved, Seen, Steady},
    system_millis, uptime_millis,
};
use metrics::{Gauge, Unit, describe_gauge, gauge};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Where the time of day of this process comes from, once it is kept.
pub(super) static KEPT: AtomicBool = AtomicBool::new(false);
/// What to add to the time since the start of the machine. Units: milliseconds.
pub(super) static OFFSET: AtomicI64 = AtomicI64::new(0);

/// How often the system's clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two notes on disk.
const SAVE_EVERY: u32 = 15;
const FILE: &str = "clock";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Keeps the time of day of this process even; ends with it.
pub struct Keeper {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Lets [`wall`](super::wall) go on evenly from now on, even if the system's clock jumps: it is
/// believed again when it has shown the same time of day for `settle`. What is known of it is
/// kept in `folder`, for the next run.
///
/// Errors: what the system says when no thread can be started.
pub fn keep(folder: &Path, settle: Duration) -> io::Result<Keeper> {
    let file = folder.join(FILE);
    let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
    let now = moment();
    let steady = Steady::resume(load(&file), boot.trim(), now, settle);
    describe_gauge!(
        "restante_clock_apart_seconds",
        Unit::Seconds,
        "How far the system's clock is ahead of the time of day that is believed"
    );
    let mut watch = Watch {
        steady,
        boot: boot.trim().to_owned(),
        file,
        apart: gauge!("restante_clock_apart_seconds"),
        looks: 0,
    };
    watch.look();
    KEPT.store(true, Ordering::Release);
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = is_over.clone();
    let thread = thread::Builder::new().name("clock".to_owned());
    let thread = thread.spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK_EVERY);
            watch.look();
        }
        watch.save();
    })?;
    Ok(Keeper {
        is_over,
        thread: Some(thread),
    })
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // a thread that has panicked has nothing left to note
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Watch {
    steady: Steady,
    boot: String,
    file: PathBuf,
    apart: Gauge,
    looks: u32,
}

impl Watch {
    fn look(&mut self) {
        let seen = self.steady.observe(moment());
        OFFSET.store(self.steady.offset(), Ordering::Release);
        let is_news = !matches!(seen, Seen::Even | Seen::Apart(_));
        let apart = match seen {
            Seen::Even => 0,
            Seen::Apart(apart) => apart,
            Seen::Jumped(apart) => {
                let seconds = apart / 1000;
                tracing::warn!(seconds, "the system's clock has jumped; not believed yet");
                apart
            }
            Seen::Settled(apart) => {
                let seconds = apart / 1000;
                tracing::warn!(seconds, "the system's clock stays as it is; believed now");
                0
            }
        };
        self.apart.set(apart as f64 / 1000.0);
        if is_news || self.looks.is_multiple_of(SAVE_EVERY) {
            self.save();
        }
        self.looks = self.looks.wrapping_add(1);
    }

    /// Not forced to the disk: within one run of the machine the page cache keeps it, and after
    /// that an older note is as good.
    fn save(&self) {
        let saved = self.steady.save(&self.boot, moment());
        let text = serde_json::to_string(&saved).unwrap_or_default();
        let new = self.file.with_extension("new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "clock not noted");
        }
    }
}

fn load(file: &Path) -> Option<Saved> {
    let text = fs::read_to_string(file).ok()?;
    let saved = serde_json::from_str(&text);
    if let Err(error) = &saved {
        tracing::warn!(%error, file = %file.display(), "clock of the last run is not readable");
    }
    saved.ok()
}

fn moment() -> Moment {
    Moment {
        system: system_millis(),
        uptime: uptime_millis(),
    }
}
