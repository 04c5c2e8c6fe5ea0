//! What a run consists of: every thread plays the same scenes with its own users, and all threads
//! begin and end a scene together.
mod churn;
mod gather;
mod login;
mod register;
mod retrieve;
mod send;

use crate::{course::Stage, crew::Crew, plan::Part, series::Kind};

/// What a stage of a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Messages to users who are away.
    OfflineSend,
    /// Users who were away take what waits.
    Retrieve,
    /// Both.
    SendAndRetrieve,
    /// Short messages between users who are there.
    Pager,
    /// Logins, refreshes, logouts.
    Register,
    /// Messages to groups.
    Group,
}

/// One act of all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Those who are there log in.
    LogIn,
    /// Members come into their groups, which one of them makes where nobody else does.
    Gather,
    /// Senders send all their messages; who is there receives.
    Send,
    /// Receivers who were away log in, take what waits, and log out.
    Retrieve,
    /// Users log in, refresh, and log out.
    Register,
}

impl Scenario {
    /// The scenario's name, as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::OfflineSend => "offline-send",
            Self::Retrieve => "retrieve",
            Self::SendAndRetrieve => "send-and-retrieve",
            Self::Pager => "pager",
            Self::Register => "register",
            Self::Group => "group",
        }
    }

    /// What it consists of.
    pub fn scenes(self) -> &'static [Scene] {
        match self {
            Self::OfflineSend | Self::Pager => &[Scene::LogIn, Scene::Send],
            Self::Retrieve => &[Scene::Retrieve],
            Self::SendAndRetrieve => &[Scene::LogIn, Scene::Send, Scene::Retrieve],
            Self::Group => &[Scene::LogIn, Scene::Gather, Scene::Send, Scene::Retrieve],
            Self::Register => &[Scene::Register],
        }
    }

    /// Whether every receiver had the chance to get everything when it is over.
    pub fn is_retrieved(self) -> bool {
        self != Self::OfflineSend
    }

    /// Whether messages are sent in it.
    pub fn sends(self) -> bool {
        !matches!(self, Self::Retrieve | Self::Register)
    }
}

impl Scene {
    /// What is counted in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Gather => "join",
            Self::Send => "accept",
            Self::Retrieve => "deliver",
            Self::Register => "register",
        }
    }

    /// The kinds of event that count as its progress.
    pub fn counts(self) -> &'static [Kind] {
        match self {
            Self::LogIn => &[Kind::Login],
            Self::Gather => &[Kind::Join, Kind::Found],
            Self::Send => &[Kind::Accept],
            Self::Retrieve => &[Kind::Deliver, Kind::Group],
            Self::Register => &[Kind::Login, Kind::Refresh, Kind::Logout],
        }
    }

    /// How much there is to do in `stage`, with `owed` messages acknowledged and not delivered;
    /// `None` where it cannot be known.
    pub fn total(self, stage: &Stage, part: &Part, owed: usize) -> Option<u64> {
        let pace = stage.load.pace(1);
        match self {
            Self::LogIn => {
                let users = (0..part.users()).filter(|user| is_there(stage.scenario, part, *user));
                Some(users.count() as u64)
            }
            Self::Gather => Some(part.turns() as u64),
            Self::Send => pace.expected(part.messages),
            Self::Retrieve => Some(owed as u64),
            Self::Register => pace.expected(match stage.load.duration {
                Some(_) => u64::MAX,
                None => stage.load.messages,
            }),
        }
    }

    /// Plays it with the users of `crew`.
    pub async fn play(self, crew: &Crew) {
        match self {
            Self::LogIn => login::play(crew).await,
            Self::Gather => gather::play(crew).await,
            Self::Send => send::play(crew).await,
            Self::Retrieve => retrieve::play(crew).await,
            Self::Register => register::play(crew).await,
        }
    }
}

/// Whether `user` is there from the beginning in `scenario`.
fn is_there(scenario: Scenario, part: &Part, user: usize) -> bool {
    match scenario {
        Scenario::Pager => true,
        Scenario::Group => part.sends(user),
        _ => part.sends(user) && !part.is_away(user),
    }
}
