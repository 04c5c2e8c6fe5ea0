//! The traces of all servers, put together while they are written, as one ladder.
use super::stage::{Server, Stage};
use crate::{
    cli::demo::{
        ladder::{Arrow, Ladder, Pole, Style, What, room},
        sight,
    },
    clock,
    sip::codec::{Limits, Message},
    telemetry::trace::{Record, Way},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Stdout},
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often the traces are read.
const LOOK: Duration = Duration::from_millis(40);
/// How late another server may tell of something that came before.
const LATE: Duration = Duration::from_millis(160);

/// Draws in a thread of its own until it is finished.
pub(super) struct Watch {
    scene: Arc<Mutex<Scene>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Scene {
    ladder: Ladder<Stdout>,
    room: usize,
    began: u64,
    traces: Vec<Trace>,
    /// Who is at which address.
    poles: HashMap<IpAddr, Pole>,
    /// Poles that write traces.
    servers: Vec<(String, Pole)>,
    pending: Vec<(u64, Item)>,
    channels: Vec<Channel>,
    names: Vec<&'static str>,
}

enum Item {
    Arrow(Arrow),
    Note(String),
}

/// The trace of one server, as far as it was read.
struct Trace {
    lines: Option<BufReader<File>>,
    file: PathBuf,
    rest: String,
}

/// The session URIs of its two ends, and who they are.
struct Channel {
    uris: [String; 2],
    ends: [Pole; 2],
}

impl Watch {
    /// Begins to draw.
    ///
    /// Errors: those of starting a thread and of drawing.
    pub(super) fn begin(stage: &Stage) -> io::Result<Self> {
        let mut scene = Scene::of(stage);
        scene.ladder.heading()?;
        let (scene, over) = (
            Arc::new(Mutex::new(scene)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, ended) = (scene.clone(), over.clone());
        let thread = std::thread::Builder::new()
            .name("ladder".to_owned())
            .spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    seen.lock().look(LATE);
                    std::thread::sleep(LOOK);
                }
            })?;
        Ok(Self {
            scene,
            over,
            thread: Some(thread),
        })
    }

    /// Draws a line across at this moment.
    pub(super) fn note(&self, text: &str) {
        let item = Item::Note(text.to_owned());
        self.scene
            .lock()
            .pending
            .push((clock::system_micros(), item));
    }

    /// Draws the rest. Returns the channels there were: `Alice = PF-A`.
    pub(super) fn finish(mut self) -> Vec<String> {
        std::thread::sleep(LATE);
        self.stop();
        let mut scene = self.scene.lock();
        scene.look(Duration::ZERO);
        scene.channels()
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // a thread that panicked has drawn what it could
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Scene {
    fn of(stage: &Stage) -> Self {
        let names = stage.shape.poles();
        let lively = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut poles = HashMap::new();
        let mut servers = Vec::new();
        for (server, pole) in stage.servers.iter().zip(1..) {
            poles.insert(server.config.sip.listen.ip(), pole);
            servers.push((server.name.to_owned(), pole));
        }
        let behind = servers.len() + 1;
        for (number, pole) in [(0, 0), (1, behind), (2, behind + 1)] {
            poles.insert(stage.device(number), pole);
        }
        let trace = |server: &Server| Trace {
            lines: None,
            file: server.trace(),
            rest: String::new(),
        };
        Self {
            ladder: Ladder::new(io::stdout(), Style { lively }, &names),
            room: room(names.len()),
            began: clock::system_micros(),
            traces: stage.servers.iter().map(trace).collect(),
            poles,
            servers,
            pending: Vec::new(),
            channels: Vec::new(),
            names,
        }
    }

    /// Takes what was written since the last look, and draws what is older than `late`.
    fn look(&mut self, late: Duration) {
        let mut records = Vec::new();
        for trace in &mut self.traces {
            trace.read(&mut records);
        }
        for record in records {
            let at = record.at;
            if let Some(arrow) = self.arrow(&record) {
                self.pending.push((at, Item::Arrow(arrow)));
            }
        }
        self.pending.sort_by_key(|(at, _)| *at);
        let late = u64::try_from(late.as_micros()).unwrap_or_default();
        let until = clock::system_micros().saturating_sub(late);
        let ripe = self.pending.partition_point(|(at, _)| *at <= until);
        for (at, item) in self.pending.drain(..ripe).collect::<Vec<_>>() {
            // a ladder that cannot be written is no reason to stop the play
            let _ = match item {
                Item::Arrow(arrow) => self.ladder.arrow(&arrow),
                Item::Note(text) => self.ladder.note(since(self.began, at), &text),
            };
        }
    }

    /// The arrow for a record; `None` where another server tells it too, or it is a 100 Trying.
    fn arrow(&mut self, record: &Record) -> Option<Arrow> {
        let at = since(self.began, record.at);
        let (from, to, what) = match record.protocol.as_ref() {
            "sip" => self.sip(record)?,
            _ => self.msrp(record)?,
        };
        let is_told = self.servers.iter().any(|(_, pole)| *pole == from);
        let is_double = record.way == Way::Received && is_told;
        (!is_double && from != to).then_some(Arrow { at, from, to, what })
    }

    fn sip(&self, record: &Record) -> Option<(Pole, Pole, What)> {
        let octets = Bytes::copy_from_slice(record.text.as_bytes());
        let message = Message::parse(octets, &Limits::default()).ok()?;
        let peer = *self.poles.get(&record.peer.ip())?;
        let mut servers = self.servers.iter();
        let (_, own) = servers.find(|(name, _)| *name == record.node)?;
        let (from, to) = match record.way {
            Way::Sent => (*own, peer),
            Way::Received => (peer, *own),
        };
        let what = What::Sip(sight::sip(&message, self.room));
        (message.code() != Some(100)).then_some((from, to, what))
    }

    /// By the session URIs: a stream may carry what another shard answers.
    fn msrp(&mut self, record: &Record) -> Option<(Pole, Pole, What)> {
        let what = sight::msrp(&record.text, self.room)?;
        let uri = |name: &str| {
            let mut lines = record.text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
            value.split(' ').next_back().map(str::to_owned)
        };
        let (from, to) = (uri("From-Path")?, uri("To-Path")?);
        let ends = [
            *self.poles.get(&host(&from)?)?,
            *self.poles.get(&host(&to)?)?,
        ];
        self.note_channel([from, to], ends);
        Some((ends[0], ends[1], what))
    }

    fn note_channel(&mut self, uris: [String; 2], ends: [Pole; 2]) {
        let [one, other] = &uris;
        let same = |known: &Channel| known.uris.contains(one) && known.uris.contains(other);
        if !self.channels.iter().any(same) {
            self.channels.push(Channel { uris, ends });
        }
    }

    fn channels(&self) -> Vec<String> {
        let name = |pole: Pole| self.names.get(pole).copied().unwrap_or_default();
        let named = self.channels.iter().map(|channel| {
            let [one, other] = channel.ends;
            format!("{} = {}", name(one.min(other)), name(one.max(other)))
        });
        named.collect()
    }
}

impl Trace {
    /// Adds what was written since the last time.
    fn read(&mut self, records: &mut Vec<Record>) {
        if self.lines.is_none() {
            self.lines = File::open(&self.file).ok().map(BufReader::new);
        }
        let Some(lines) = &mut self.lines else {
            return;
        };
        // the last line may not be whole yet
        while lines
            .read_line(&mut self.rest)
            .is_ok_and(|octets| octets > 0)
        {
            if self.rest.ends_with('\n') {
                records.extend(Record::parse(&self.rest));
                self.rest.clear();
            }
        }
    }
}

fn since(began: u64, at: u64) -> Duration {
    Duration::from_micros(at.saturating_sub(began))
}

/// The address in `msrp://127.0.1.1:2855/id;tcp`.
fn host(uri: &str) -> Option<IpAddr> {
    let authority = uri.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once(':')?.0.parse().ok()
}
