//! One thread of the run: its connections, and the phases it takes part in.
use super::{
    link::{self, Scratch},
    pair::Pair,
    plan::{Phase, Plan},
    tally::Tally,
    team::{Board, Shape, Team},
};
use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::spawn_local,
    time,
};

/// How often a rate is looked at: what the timer can tell apart.
const TICK: Duration = Duration::from_millis(1);

/// How often a worker looks whether anything still comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a worker tells the lead.
pub enum News {
    /// All its connections are there, or why not.
    Ready(Result<(), String>),
    /// A phase is over.
    Ended(Box<Tally>),
}

/// What a thread is given.
pub struct Workplace {
    /// The run.
    pub plan: Arc<Plan>,
    /// Which thread this is.
    pub thread: usize,
    /// Where progress is told.
    pub board: Arc<Board>,
    /// Sockets on which its receivers listen.
    pub listeners: Vec<std::net::TcpListener>,
    /// Connections of its receivers that another thread took.
    pub handed_over: UnboundedReceiver<std::net::TcpStream>,
    /// Ways to hand connections over.
    pub others: Vec<UnboundedSender<std::net::TcpStream>>,
    /// Phases to take part in; the end of them is the end of the run.
    pub phases: UnboundedReceiver<Phase>,
    /// The lead.
    pub lead: mpsc::Sender<News>,
}

/// One thread's part in the run.
pub struct Worker {
    /// The run.
    pub plan: Arc<Plan>,
    /// The pairs of this thread.
    pub team: Rc<Team>,
    /// What its connections read into.
    pub scratch: Scratch,
}

/// Plays one thread's part until the lead ends the run.
pub async fn work(place: Workplace) {
    let Workplace {
        plan,
        thread,
        board,
        listeners,
        handed_over,
        others,
        mut phases,
        lead,
    } = place;
    let shape = Shape {
        run: plan.run,
        pairs: plan.pairs,
        thread,
        threads: plan.threads,
        answers: plan.answers(),
        reports: plan.success_report,
        charted_from: plan.charted_from,
    };
    let worker = Rc::new(Worker {
        team: Team::new(shape, board),
        plan,
        scratch: link::scratch(),
    });
    let others: Rc<[_]> = others.into();
    for listener in listeners {
        spawn_local(worker.clone().accept(listener, others.clone()));
    }
    spawn_local(worker.clone().take_over(handed_over));
    let ready = worker.clone().set_up().await;
    let is_ready = ready.is_ok();
    // a lead that is gone wants no news
    let _ = lead.send(News::Ready(ready));
    while let Some(phase) = phases.recv().await.filter(|_| is_ready) {
        let tally = worker.play(phase).await;
        let _ = lead.send(News::Ended(Box::new(tally)));
    }
    worker.team.part();
}

impl Worker {
    /// Takes part in `phase` until all pairs are done or nothing comes any more.
    async fn play(self: &Rc<Self>, phase: Phase) -> Tally {
        let pairs = self.team.pairs();
        for pair in &pairs {
            let is_stalled = pair.number < phase.stalled;
            pair.is_stalled.set(is_stalled);
            // a stalled receiver is sent as much as its way takes
            pair.set_window(if is_stalled {
                0
            } else {
                self.plan.manner.window
            });
            self.stall(pair, is_stalled);
        }
        let all = |pair: &Pair| match phase.messages {
            Some(messages) => self.plan.share(messages, pair.number),
            None => u64::MAX,
        };
        let begun = Instant::now();
        let counted = phase.settles.zip(phase.duration);
        self.team
            .count_within(counted.map(|(from, until)| (begun + from, begun + until)));
        self.team.begin(all, phase.is_paced);
        tokio::select! {
            () = self.team.finished() => {}
            () = self.watch(phase, begun) => {}
            () = self.pace(phase, begun) => {}
        }
        self.team.end()
    }

    fn stall(&self, pair: &Pair, is_stalled: bool) {
        if let Some(receiver) = &*pair.receiver.borrow() {
            receiver.pause(is_stalled);
        }
    }

    /// Ends the sending when it is time, and waits in vain no longer than is reasonable.
    async fn watch(&self, phase: Phase, begun: Instant) {
        let mut seen = (0, Instant::now());
        let mut end = phase.duration;
        loop {
            let left = end.map(|end| end.saturating_sub(begun.elapsed()));
            time::sleep(left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)).await;
            if end.is_some_and(|end| begun.elapsed() >= end) {
                end = None;
                for pair in self.team.pairs() {
                    pair.stop();
                    self.stall(&pair, false);
                    self.team.look_at(&pair);
                }
            }
            let octets = self.team.board().octets.load(Ordering::Relaxed);
            if octets != seen.0 || end.is_some() && phase.is_paced {
                seen = (octets, Instant::now());
            } else if seen.1.elapsed() >= self.plan.patience {
                return;
            }
        }
    }

    /// Lets messages fall due at the rate, pair by pair.
    async fn pace(&self, phase: Phase, begun: Instant) {
        let rate = self.plan.rate.filter(|_| phase.is_paced);
        let Some(rate) = rate else {
            return std::future::pending().await;
        };
        let pairs = self.team.pairs();
        let rate = rate as f64 * pairs.len() as f64 / self.plan.pairs as f64;
        let mut ticks = time::interval(TICK);
        let mut due = 0;
        loop {
            ticks.tick().await;
            let wanted = (begun.elapsed().as_secs_f64() * rate) as usize;
            for number in due..wanted {
                let pair = &pairs[number % pairs.len()];
                pair.fall_due();
                self.team.touch(pair);
            }
            due = wanted;
            self.team.settle();
        }
    }
}
